// Package raw lets the packages below render/helm share Helm's own chart type
// without it being in their public signatures.
package raw

import "helm.sh/helm/v3/pkg/chart"

// Chart holds a chart of Helm's own type, which must not be changed.
type Chart struct{ Helm *chart.Chart }
