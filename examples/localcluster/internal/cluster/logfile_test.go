package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	line := append(bytes.Repeat([]byte("x"), 1<<20-1), '\n')
	for range 40 {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 2*logLimit || size < logLimit {
		t.Errorf("%d bytes in %v, the limit is %d", size, files, 2*logLimit)
	}
}

func TestLogRemembersItsEnd(t *testing.T) {
	l, err := openLog(filepath.Join(t.TempDir(), "a.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if got := l.lastLines(3); got != nil {
		t.Errorf("of nothing: %q", got)
	}
	for i := range 5000 {
		fmt.Fprintf(l, "line %d\n", i)
	}
	if got := fmt.Sprint(l.lastLines(2)); got != "[line 4998 line 4999]" {
		t.Errorf("got %s", got)
	}
	fmt.Fprint(l, "reading the log\npanic: it is broken\n\ngoroutine 1 [running]:\nmain.main()\n\tmain.go:1\n")
	if got := fmt.Sprint(l.lastLines(2)); got != "[reading the log panic: it is broken]" {
		t.Errorf("of a panic: %s", got)
	}
	l.forgetTail()
	if got := l.lastLines(2); got != nil {
		t.Errorf("after a new start: %q", got)
	}
}
