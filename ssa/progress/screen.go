package progress

import (
	"bytes"
	"fmt"
)

type size struct{ width, height int }

// screen is what is known of the lines at the bottom of the terminal. Between
// frames the cursor stands, visible, at their beginning: so all that is below it
// can be drawn anew whatever the terminal has made of it when it changed its
// size, and nothing has to be put right should the program be killed.
type screen struct {
	size  size
	block []byte // as drawn last
}

const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearRest  = "\x1b[K" // of the line
	clearBelow = "\x1b[J" // the rest of the line, and all lines below
)

// frame returns what finishes the lines above, which end with a line break, and
// draws a block of lines below them. It is empty if nothing has changed.
func (s *screen) frame(above []byte, lines []string, now size) []byte {
	var block bytes.Buffer
	for i, l := range lines {
		if i > 0 {
			block.WriteString("\r\n")
		}
		block.WriteString(l)
		block.WriteString(clearRest)
	}
	resized := s.size != now && len(s.block) > 0
	if len(above) == 0 && !resized && bytes.Equal(s.block, block.Bytes()) {
		return nil
	}
	var out bytes.Buffer
	out.WriteString(hideCursor + "\r")
	if len(above) > 0 || resized {
		out.WriteString(clearBelow)
	}
	out.Write(above)
	out.Write(block.Bytes())
	out.WriteString(clearBelow)
	if len(lines) > 1 {
		fmt.Fprintf(&out, "\x1b[%dA", len(lines)-1)
	}
	out.WriteString("\r" + showCursor)
	s.size, s.block = now, bytes.Clone(block.Bytes())
	return out.Bytes()
}
