package testcluster_test

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func template(annotations map[string]string, restart corev1.RestartPolicy) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "a"}, Annotations: annotations},
		Spec: corev1.PodSpec{
			RestartPolicy: restart,
			Containers:    []corev1.Container{{Name: "main", Image: "example.com/app:v1"}},
		},
	}
}

var selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}

func TestDeploymentBecomesAvailable(t *testing.T) {
	c := testcluster.Shared(t)
	client, ns := connect(t, c), c.Namespace(t)
	replicas := int32(3)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "a"},
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: template(nil, "")},
	}
	if _, err := client.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three replicas are available", func(ctx context.Context) (bool, error) {
		got, err := client.AppsV1().Deployments(ns).Get(ctx, "a", metav1.GetOptions{})
		return err == nil && got.Status.AvailableReplicas == replicas, err
	})
}

func TestStatefulSetRunsOnVolumes(t *testing.T) {
	c := testcluster.Shared(t)
	client, ns := connect(t, c), c.Namespace(t)
	replicas := int32(2)
	claim := corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	tpl := template(nil, "")
	tpl.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	s := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "a"},
		Spec: appsv1.StatefulSetSpec{Replicas: &replicas, Selector: selector, ServiceName: "a", Template: tpl,
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{claim}},
	}
	if _, err := client.AppsV1().StatefulSets(ns).Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both replicas are ready", func(ctx context.Context) (bool, error) {
		got, err := client.AppsV1().StatefulSets(ns).Get(ctx, "a", metav1.GetOptions{})
		return err == nil && got.Status.ReadyReplicas == replicas, err
	})
	volume := boundVolume(t, client, ns, "data-a-0")

	if err := client.AppsV1().StatefulSets(ns).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.CoreV1().PersistentVolumeClaims(ns).Delete(t.Context(), "data-a-0", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the released volume is removed", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().PersistentVolumes().Get(ctx, volume, metav1.GetOptions{})
		return apierrors.IsNotFound(err), err
	})
}

func boundVolume(t *testing.T, client kubernetes.Interface, ns, claim string) string {
	t.Helper()
	var volume string
	eventually(t, claim+" is bound", func(ctx context.Context) (bool, error) {
		got, err := client.CoreV1().PersistentVolumeClaims(ns).Get(ctx, claim, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		volume = got.Spec.VolumeName
		return got.Status.Phase == corev1.ClaimBound, nil
	})
	return volume
}

func TestJobs(t *testing.T) {
	cases := map[string]struct {
		annotations map[string]string
		want        batchv1.JobConditionType
	}{
		"completes":             {nil, batchv1.JobComplete},
		"completes after a run": {map[string]string{"gitopskit.github.io/run-for": "1s"}, batchv1.JobComplete},
		"fails when asked to":   {map[string]string{"gitopskit.github.io/pod": "fail"}, batchv1.JobFailed},
	}
	c := testcluster.Shared(t)
	client := connect(t, c)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ns := c.Namespace(t)
			none := int32(0)
			job := &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{Name: "a"},
				Spec:       batchv1.JobSpec{BackoffLimit: &none, Template: template(tc.annotations, corev1.RestartPolicyNever)},
			}
			if _, err := client.BatchV1().Jobs(ns).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, string(tc.want), func(ctx context.Context) (bool, error) {
				got, err := client.BatchV1().Jobs(ns).Get(ctx, "a", metav1.GetOptions{})
				if err != nil {
					return false, err
				}
				for _, cond := range got.Status.Conditions {
					if cond.Type == tc.want && cond.Status == corev1.ConditionTrue {
						return true, nil
					}
				}
				return false, fmt.Errorf("conditions %v", got.Status.Conditions)
			})
		})
	}
}

func TestPodsDoAsTheirAnnotationSays(t *testing.T) {
	cases := map[string]struct {
		annotations map[string]string
		restart     corev1.RestartPolicy
		want        string
	}{
		"runs":                              {nil, corev1.RestartPolicyAlways, "Running ready=True"},
		"starts slowly":                     {map[string]string{"gitopskit.github.io/ready-after": "500ms"}, "", "Running ready=True"},
		"completes when it is not to go on": {nil, corev1.RestartPolicyNever, "Succeeded Completed ready=True"},
		"never becomes ready":               {map[string]string{"gitopskit.github.io/pod": "never-ready"}, "", "Running ready=False"},
		"crashes again and again":           {map[string]string{"gitopskit.github.io/pod": "crash-loop"}, "", "Running CrashLoopBackOff ready=False"},
		"cannot pull its image":             {map[string]string{"gitopskit.github.io/pod": "image-pull"}, "", "Pending ImagePullBackOff ready=False"},
		"fails with its exit code": {map[string]string{"gitopskit.github.io/pod": "fail", "gitopskit.github.io/exit-code": "137"},
			corev1.RestartPolicyNever, "Failed Error 137 ready=False"},
	}
	c := testcluster.Shared(t)
	client, ns := connect(t, c), c.Namespace(t)
	i := 0
	for name, tc := range cases {
		i++
		pod := "pod-" + fmt.Sprint(i)
		t.Run(name, func(t *testing.T) {
			tpl := template(tc.annotations, tc.restart)
			p := &corev1.Pod{ObjectMeta: tpl.ObjectMeta, Spec: tpl.Spec}
			p.Name = pod
			if _, err := client.CoreV1().Pods(ns).Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, tc.want, func(ctx context.Context) (bool, error) {
				got, err := client.CoreV1().Pods(ns).Get(ctx, pod, metav1.GetOptions{})
				if err != nil {
					return false, err
				}
				return describe(got) == tc.want, fmt.Errorf("%s", describe(got))
			})
		})
	}
}

// describe sums a pod up: phase, reason of its container, readiness.
func describe(p *corev1.Pod) string {
	s := string(p.Status.Phase)
	for _, c := range p.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil {
			s += " " + w.Reason
		}
		if e := c.State.Terminated; e != nil {
			s += " " + e.Reason
			if e.ExitCode != 0 {
				s += fmt.Sprintf(" %d", e.ExitCode)
			}
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			s += " ready=" + string(c.Status)
		}
	}
	return s
}
