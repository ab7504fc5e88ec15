package envsubst_test

import (
	"fmt"

	"github.com/gitopskit/gitopskit/render/envsubst"
)

func ExampleExpand() {
	vars := envsubst.Map(map[string]string{"cluster": "prod-eu-1"})
	text, _ := envsubst.Expand("name: ${cluster%-*}\nlevel: ${level:-info}\nhome: $${HOME}", vars, envsubst.Options{})
	fmt.Println(text)
	_, err := envsubst.Expand("region: ${region}", vars, envsubst.Options{})
	fmt.Println(err)
	// Output:
	// name: prod-eu
	// level: info
	// home: ${HOME}
	// envsubst: line 1, column 9: "region": variable is not set and has no default in "${region}"; set it, give a default as in ${name:-value}, or write $$ for a literal $
}
