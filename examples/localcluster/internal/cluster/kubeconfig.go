package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// contextName is the name of an instance's cluster, user and context.
func contextName(name string) string { return "localcluster-" + name }

// writeAccess writes the kubeconfigs of the components and of the admin.
func (d dataDir) writeAccess(o Options, p ports) error {
	for _, who := range []string{ControllerManager, Scheduler, Kwok} {
		cfg := api.NewConfig()
		if err := d.addContext(cfg, "local", who, p); err != nil {
			return err
		}
		cfg.CurrentContext = "local"
		if err := writeKubeconfig(d.access(who), cfg); err != nil {
			return err
		}
	}
	for _, file := range []string{d.kubeconfig(), o.Kubeconfig} {
		if file == "" {
			continue
		}
		if err := d.writeAdmin(file, o.Name, p); err != nil {
			return fmt.Errorf("kubeconfig %s: %w", file, err)
		}
	}
	return nil
}

// writeAdmin puts the admin's two contexts into file, one with the client
// certificate and one with the token, and keeps everything else that it holds.
func (d dataDir) writeAdmin(file, name string, p ports) error {
	cfg, err := loadKubeconfig(file)
	if err != nil {
		return err
	}
	id := contextName(name)
	if err := d.addContext(cfg, id, "admin", p); err != nil {
		return err
	}
	token, err := d.token()
	if err != nil {
		return err
	}
	cfg.AuthInfos[id+"-token"] = &api.AuthInfo{Token: token}
	cfg.Contexts[id+"-token"] = &api.Context{Cluster: id, AuthInfo: id + "-token"}
	if cfg.Contexts[cfg.CurrentContext] == nil {
		cfg.CurrentContext = id
	}
	return writeKubeconfig(file, cfg)
}

func (d dataDir) addContext(cfg *api.Config, id, who string, p ports) error {
	ca, err := os.ReadFile(d.cert("ca"))
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(d.cert(who))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(d.key(who))
	if err != nil {
		return err
	}
	cfg.Clusters[id] = &api.Cluster{Server: p.server(), CertificateAuthorityData: ca}
	cfg.AuthInfos[id] = &api.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	cfg.Contexts[id] = &api.Context{Cluster: id, AuthInfo: id}
	return nil
}

func (d dataDir) token() (string, error) {
	b, err := os.ReadFile(d.tokens())
	if err != nil {
		return "", err
	}
	token, _, found := strings.Cut(string(b), ",")
	if !found {
		return "", fmt.Errorf("%s: no token in it", d.tokens())
	}
	return token, nil
}

// removeContext takes an instance's entries out of file.
func removeContext(file, name string) error {
	cfg, err := loadKubeconfig(file)
	if err != nil {
		return err
	}
	id := contextName(name)
	for _, key := range []string{id, id + "-token"} {
		delete(cfg.Clusters, key)
		delete(cfg.AuthInfos, key)
		delete(cfg.Contexts, key)
		if cfg.CurrentContext == key {
			cfg.CurrentContext = ""
		}
	}
	if len(cfg.Clusters)+len(cfg.AuthInfos)+len(cfg.Contexts) > 0 {
		return writeKubeconfig(file, cfg)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func loadKubeconfig(file string) (*api.Config, error) {
	cfg, err := clientcmd.LoadFromFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return api.NewConfig(), nil
	}
	return cfg, err
}

func writeKubeconfig(file string, cfg *api.Config) error {
	b, err := clientcmd.Write(*cfg)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return replaceFile(file, b)
}
