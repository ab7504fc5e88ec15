package progress

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal is what a Display writes to, and what that can show.
type terminal struct {
	w       io.Writer
	live    bool
	color   bool
	unicode bool
	size    func() (width, height int)
}

// Where the size of the terminal is not known.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

func openTerminal(w io.Writer, opts Options) *terminal {
	f, isFile := w.(*os.File)
	capable := isFile && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && enable(f)
	t := &terminal{w: w, unicode: showsUnicode(os.Getenv)}
	t.size = func() (int, int) {
		if !isFile {
			return defaultWidth, defaultHeight
		}
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return defaultWidth, defaultHeight
		}
		return width, height
	}
	switch opts.Mode {
	case Live:
		t.live = true
	case Plain:
	default:
		t.live = capable && !inCI(os.Getenv("CI"))
	}
	switch opts.Color {
	case ColorAlways:
		t.color = true
	case ColorNever:
	default:
		t.color = capable && os.Getenv("NO_COLOR") == ""
	}
	return t
}

// inCI reports whether the variable CI says so.
func inCI(v string) bool { return v != "" && v != "0" && !strings.EqualFold(v, "false") }

// showsUnicode reports whether more than ASCII can be shown, as far as the
// locale says anything about it.
func showsUnicode(getenv func(string) string) bool {
	if getenv("TERM") == "linux" {
		return false // its font has a few hundred characters
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(getenv(name)); v != "" {
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return true
}
