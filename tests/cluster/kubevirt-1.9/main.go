// KubeVirt's own code, at work on what entropool gives it, without a cluster:
//
//	plugin PLUGIN VMI DOMAIN    what its plugin pipeline makes of a domain, once the Plugin is one that it admits
//	hooks VMI DOMAIN            what its hook manager makes of a domain by the one sidecar in /var/run/kubevirt-hooks,
//	                            which it calls twice, as for a start, and then tells that the VM ends
//
// PLUGIN and VMI are files of JSON, DOMAIN one of XML. The domain is printed; what goes wrong is said and fails.
package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"time"

	v1 "kubevirt.io/api/core/v1"
	pluginv1alpha1 "kubevirt.io/api/plugin/v1alpha1"

	"kubevirt.io/kubevirt/pkg/hooks"
	virtwrapapi "kubevirt.io/kubevirt/pkg/virt-launcher/virtwrap/api"
	"kubevirt.io/kubevirt/pkg/virt-launcher/virtwrap/plugins"
	"kubevirt.io/kubevirt/pkg/virt-launcher/virtwrap/plugins/cel"
)

const patience = 20 * time.Second

func main() {
	domain, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(domain)
}

func run(args []string) (string, error) {
	switch {
	case len(args) == 4 && args[0] == "plugin":
		return byPlugin(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "hooks":
		return bySidecar(args[1], args[2])
	}
	return "", fmt.Errorf("plugin PLUGIN VMI DOMAIN, or hooks VMI DOMAIN")
}

func byPlugin(pluginFile, vmiFile, domainFile string) (string, error) {
	var plugin pluginv1alpha1.Plugin
	if err := readJSON(pluginFile, &plugin); err != nil {
		return "", err
	}
	vmi, domain, err := read(vmiFile, domainFile)
	if err != nil {
		return "", err
	}
	if err := admit(plugin); err != nil {
		return "", fmt.Errorf("the Plugin would not be admitted: %w", err)
	}
	_, changed, err := plugins.ApplyDomainHooks(
		[]pluginv1alpha1.Plugin{plugin}, vmi, domain, pluginv1alpha1.InvocationContextBoot)
	return changed, err
}

func admit(plugin pluginv1alpha1.Plugin) error {
	evaluator, err := cel.NewEvaluator()
	if err != nil {
		return err
	}
	for _, hook := range plugin.Spec.DomainHooks {
		if err := evaluator.CompileCondition(hook.Condition); err != nil {
			return err
		}
		if err := evaluator.CompileMutation(hook.CEL.Expression); err != nil {
			return err
		}
	}
	return nil
}

func bySidecar(vmiFile, domainFile string) (string, error) {
	vmi, domain, err := read(vmiFile, domainFile)
	if err != nil {
		return "", err
	}
	manager := hooks.GetManager()
	if err := manager.Collect(1, patience); err != nil {
		return "", err
	}
	first, err := manager.OnDefineDomain(domain, vmi)
	if err != nil {
		return "", err
	}
	second, err := manager.OnDefineDomain(domain, vmi)
	if err != nil {
		return "", err
	}
	if first != second {
		return "", fmt.Errorf("the second answer is another:\n%s\n%s", first, second)
	}
	return first, manager.Shutdown()
}

func read(vmiFile, domainFile string) (*v1.VirtualMachineInstance, *virtwrapapi.DomainSpec, error) {
	vmi, domain := &v1.VirtualMachineInstance{}, &virtwrapapi.DomainSpec{}
	if err := readJSON(vmiFile, vmi); err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(domainFile)
	if err != nil {
		return nil, nil, err
	}
	return vmi, domain, xml.Unmarshal(text, domain)
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
