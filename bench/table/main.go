// Command table turns what the benchmarks print into a table in Markdown:
//
//	make bench-ssa | (cd bench && go run ./table)
package main

import (
	"fmt"
	"os"

	"github.com/gitopskit/gitopskit/bench/internal/result"
)

func main() {
	if err := result.Table(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}
