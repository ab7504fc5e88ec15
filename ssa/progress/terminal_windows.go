package progress

import (
	"os"

	"golang.org/x/sys/windows"
)

// enable makes a console understand escape sequences, and reports whether it
// does.
func enable(f *os.File) bool {
	var mode uint32
	h := windows.Handle(f.Fd())
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
