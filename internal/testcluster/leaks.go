package testcluster

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// MainWithoutLeaks is Main for packages that leave no goroutine running: it
// fails if one is left when all tests have ended. Idle connections of HTTP
// clients do not count, as they end with the server that they lead to.
func MainWithoutLeaks(m *testing.M) int {
	code := Main(m)
	if code != 0 {
		return code
	}
	err := goleak.Find(
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*clientConnReadLoop).run"),
		goleak.IgnoreAnyFunction("net/http/internal/http2.(*clientConnReadLoop).run"),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
