//go:build tools

// Package helm names the one program that installs a chart; go.mod pins it.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
