package helmrepo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitopskit/gitopskit/source"
)

// ReadIndex reads the versions of one chart from an index, in YAML or JSON. It
// reads the index as a stream and keeps the entries of that chart only. Entries
// that make no sense are left out. The error wraps source.ErrCorrupt if the
// index as a whole makes none.
func ReadIndex(r io.Reader, chart string) ([]ChartVersion, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	if head, _ := in.Peek(3); bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
	first, err := firstByte(in)
	if err != nil {
		return nil, corruptf("the index is empty")
	}
	var found []ChartVersion
	if first == '{' {
		found, err = readJSON(in, chart)
	} else {
		found, err = readYAML(in, chart)
	}
	if err != nil {
		return nil, err
	}
	kept := found[:0]
	for _, v := range found {
		if v.Name == "" {
			v.Name = chart
		}
		if v.Version != "" && v.Name == chart && len(v.URLs) > 0 {
			kept = append(kept, v)
		}
	}
	return kept, nil
}

func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", source.ErrCorrupt, fmt.Sprintf(format, args...))
}

func firstByte(in *bufio.Reader) (byte, error) {
	for n := 1; n < 4096; n++ {
		b, err := in.Peek(n)
		if err != nil {
			return 0, err
		}
		if c := b[n-1]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, nil
		}
	}
	return 0, errors.New("blank")
}

func readJSON(in io.Reader, chart string) ([]ChartVersion, error) {
	d := json.NewDecoder(in)
	var found []ChartVersion
	err := eachMember(d, func(key string) error {
		if key != "entries" {
			return skip(d)
		}
		return eachMember(d, func(name string) error {
			if name != chart {
				return skip(d)
			}
			var raw []json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return err
			}
			for _, r := range raw {
				var v ChartVersion
				if json.Unmarshal(r, &v) == nil {
					found = append(found, v)
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, corruptf("index: %v", err)
	}
	return found, nil
}

// eachMember visits the members of the object that comes next.
func eachMember(d *json.Decoder, visit func(key string) error) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t == nil {
		return nil // null
	}
	if t != json.Delim('{') {
		return fmt.Errorf("an object is wanted, not %v", t)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		if !ok {
			return errors.New("a key is no string")
		}
		if err := visit(name); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// skip passes over the value that comes next, whatever it holds.
func skip(d *json.Decoder) error {
	depth := 0
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// readYAML cuts the lines of the chart out of an index in block style, which is
// how helm repo index and all known servers write it, and parses those alone.
// Where the outline is written otherwise, the whole is parsed.
func readYAML(in *bufio.Reader, chart string) ([]ChartVersion, error) {
	c := cutter{in: in, chart: chart}
	block, err := c.cut()
	if err != nil {
		return nil, err
	}
	if c.unusual {
		return readWholeYAML(io.MultiReader(bytes.NewReader(c.seen.Bytes()), in), chart)
	}
	if !c.entries {
		return nil, corruptf("the index has no entries")
	}
	if len(block) == 0 {
		return nil, nil
	}
	var list map[string][]yaml.Node
	if err := yaml.Unmarshal(block, &list); err != nil {
		return nil, corruptf("index: chart %q: %v", chart, err)
	}
	return decodeNodes(list[chart]), nil
}

func decodeNodes(nodes []yaml.Node) []ChartVersion {
	var out []ChartVersion
	for i := range nodes {
		var v ChartVersion
		if nodes[i].Decode(&v) == nil {
			out = append(out, v)
		}
	}
	return out
}

func readWholeYAML(in io.Reader, chart string) ([]ChartVersion, error) {
	var whole struct {
		Entries map[string][]yaml.Node `yaml:"entries"`
	}
	if err := yaml.NewDecoder(in).Decode(&whole); err != nil {
		return nil, corruptf("index: %v", err)
	}
	if whole.Entries == nil {
		return nil, corruptf("the index has no entries")
	}
	return decodeNodes(whole.Entries[chart]), nil
}

// cutter finds the lines of one chart.
type cutter struct {
	in      *bufio.Reader
	chart   string
	entries bool         // "entries:" was found
	unusual bool         // the outline is not in block style
	seen    bytes.Buffer // what was read before that turned out

	inEntries bool
	indent    int // of chart names; -1 until the first
	taking    bool
	block     bytes.Buffer
}

func (c *cutter) cut() ([]byte, error) {
	c.indent = -1
	for {
		line, err := c.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if line, err = c.longLine(line); err != nil {
				return nil, err
			}
		} else if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(line) > 0 {
			c.line(line)
		}
		if c.unusual {
			return nil, nil
		}
		if errors.Is(err, io.EOF) {
			return c.block.Bytes(), nil
		}
	}
}

// longLine reads the rest of a line that does not fit the buffer.
func (c *cutter) longLine(start []byte) ([]byte, error) {
	line := bytes.Clone(start)
	for {
		more, err := c.in.ReadSlice('\n')
		line = append(line, more...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return line, nil
		}
		return line, err
	}
}

func (c *cutter) line(line []byte) {
	if !c.entries {
		_, _ = c.seen.Write(line)
	}
	trimmed := bytes.TrimLeft(line, " ")
	indent := len(line) - len(trimmed)
	trimmed = bytes.TrimRight(trimmed, " \r\n")
	if len(trimmed) == 0 || trimmed[0] == '#' {
		if c.taking {
			_, _ = c.block.Write(line)
		}
		return
	}
	switch {
	case indent == 0 && trimmed[0] != '-':
		c.topLevel(string(trimmed))
	case c.inEntries:
		c.inside(line, trimmed, indent)
	}
}

func (c *cutter) topLevel(text string) {
	c.taking, c.inEntries = false, false
	switch {
	case text == "---" || text == "..." || strings.HasPrefix(text, "%"):
	case text == "entries:":
		c.entries, c.inEntries = true, true
	case text == "entries: {}":
		c.entries = true
	case strings.HasPrefix(strings.Trim(text, `"'`), "entries"):
		c.unusual = true
	case !c.entries && !strings.Contains(text, ":"):
		c.unusual = true
	}
}

func (c *cutter) inside(line, trimmed []byte, indent int) {
	if c.indent < 0 {
		c.indent = indent
	}
	if indent < c.indent {
		return
	}
	if indent == c.indent && trimmed[0] != '-' {
		key := string(trimmed)
		name, rest, _ := strings.Cut(key, ":")
		c.taking = strings.Trim(name, `"' `) == c.chart
		if c.taking && strings.TrimSpace(rest) != "" && !strings.HasPrefix(strings.TrimSpace(rest), "[") {
			c.taking = false // an anchor or alias: no chart is written like that
		}
	}
	if c.taking {
		_, _ = c.block.Write(line)
	}
}
