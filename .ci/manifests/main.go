// Command manifests reads Kubernetes manifests as strictly as an API server does that validates fields: manifests FILE...
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func kinds() map[string]any {
	return map[string]any{
		"v1/Service": new(corev1.Service), "v1/ConfigMap": new(corev1.ConfigMap),
		"apps/v1/Deployment": new(appsv1.Deployment), "apps/v1/StatefulSet": new(appsv1.StatefulSet),
		"policy/v1/PodDisruptionBudget":          new(policyv1.PodDisruptionBudget),
		"networking.k8s.io/v1/NetworkPolicy":     new(networkingv1.NetworkPolicy),
		"autoscaling/v2/HorizontalPodAutoscaler": new(autoscalingv2.HorizontalPodAutoscaler),
	}
}

func check(document []byte) error {
	var head metav1.TypeMeta
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	kind := head.APIVersion + "/" + head.Kind
	into := kinds()[kind]
	if into == nil {
		return fmt.Errorf("the kind %s is not known", kind)
	}
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	wrong, err := json.UnmarshalStrict(data, into)
	if err := errors.Join(append(wrong, err)...); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

func main() {
	var all []error
	for _, file := range os.Args[1:] {
		text, err := os.ReadFile(file)
		all = append(all, err)
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			if err := check(document); err != nil {
				all = append(all, fmt.Errorf("%s: %w", file, err))
			}
		}
	}
	if err := errors.Join(all...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
