// Package failure makes errors of panics.
package failure

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// Caught makes an error of a panic, with the line where it was: the runtime's own way to end
// waits for a clock, and would be stopped for that before it says why.
func Caught(call func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%spanic: %v", place(), reason)
		}
	}()
	return call()
}

// place is the newest line of the plugin's own that is under way.
func place() string {
	var calls [64]uintptr
	frames := runtime.CallersFrames(calls[:runtime.Callers(0, calls[:])])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "main.") {
			return fmt.Sprintf("%s:%d: ", path.Base(frame.File), frame.Line)
		}
		if !more {
			return ""
		}
	}
}
