package cluster

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
)

const (
	logLimit  = 8 << 20 // bytes in one log file; two are kept
	tailLimit = 16 << 10
)

// logFile takes the output of a component. When the file is full it becomes
// NAME.log.1 and a new one is begun, so that a component's logs are bounded by
// twice logLimit. The end of the output is kept in memory for error messages.
type logFile struct {
	mu   sync.Mutex
	path string
	file *os.File
	size int64
	tail []byte
}

func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write never fails: a component must not end because a disk is full.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, b...)
	if over := len(l.tail) - tailLimit; over > 0 {
		l.tail = append(l.tail[:0], l.tail[over:]...)
	}
	if l.size+int64(len(b)) > logLimit {
		l.rotate()
	}
	if l.file != nil {
		n, _ := l.file.Write(b)
		l.size += int64(n)
	}
	return len(b), nil
}

func (l *logFile) rotate() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
	if os.Rename(l.path, l.path+".1") == nil {
		_ = l.open()
	}
}

// lastLines returns up to n of the last lines written; of a panic, the lines
// before the stacks, which tell more.
func (l *logFile) lastLines(n int) []string {
	l.mu.Lock()
	text := string(bytes.TrimRight(l.tail, "\n"))
	l.mu.Unlock()
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if i > 0 && strings.HasPrefix(line, "goroutine ") {
			lines = strings.Split(strings.TrimSpace(strings.Join(lines[:i], "\n")), "\n")
			break
		}
	}
	return lines[max(0, len(lines)-n):]
}

func (l *logFile) forgetTail() {
	l.mu.Lock()
	l.tail = l.tail[:0]
	l.mu.Unlock()
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
