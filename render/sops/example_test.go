package sops_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"filippo.io/age"

	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/render/sops"
)

// An encrypted Secret in a folder, built with a key.
func Example() {
	ctx := context.Background()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		log.Fatal(err)
	}
	to, err := sops.AgeRecipient(id.Recipient().String())
	if err != nil {
		log.Fatal(err)
	}
	secret := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: hunter2\n"
	encrypted, err := sops.Encrypt(ctx, []byte(secret), sops.YAML, sops.EncryptOptions{
		Recipients: []sops.Recipient{to}, EncryptedRegex: "^(data|stringData)$",
	})
	if err != nil {
		log.Fatal(err)
	}
	folder := fstest.MapFS{"db.yaml": {Data: encrypted}}

	keys, err := sops.NewDecrypter(sops.Options{Age: []string{id.String()}})
	if err != nil {
		log.Fatal(err)
	}
	objects, err := kustomize.Build(ctx, folder, ".", kustomize.Options{TargetNamespace: "shop", Decrypter: keys})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(objects[0].GetNamespace(), objects[0].Object["stringData"], objects[0].Object["sops"])

	_, err = kustomize.Build(ctx, fstest.MapFS{"db.yaml": {Data: append(encrypted, "kind2: changed\n"...)}}, ".", kustomize.Options{Decrypter: keys})
	fmt.Println(err)
	// Output:
	// shop map[password:hunter2] <nil>
	// kustomize: db.yaml: decryption failed: sops: decrypt db.yaml: message authentication code does not match
}
