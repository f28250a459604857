// Package export_weir_plugin_reactor hands what the host calls to package policy.
package export_weir_plugin_reactor

import (
	"fmt"
	"path"
	goruntime "runtime"
	"strings"

	"weir/imports/weir_plugin_events"
	"weir/imports/weir_plugin_failures"
	"weir/imports/weir_plugin_reactor"
	"weir/policy"

	runtime "go.bytecodealliance.org/pkg/wit/runtime"
	types "go.bytecodealliance.org/pkg/wit/types"
)

type failure = weir_plugin_failures.Failure

// Init starts the instance.
func Init(weir_plugin_reactor.Context) types.Result[weir_plugin_events.Subscription, failure] {
	if err := caught(policy.Start); err != nil {
		return types.Err[weir_plugin_events.Subscription](fatal(err))
	}
	wanted := weir_plugin_events.Subscription{Kinds: []weir_plugin_events.Kind{weir_plugin_events.Kind_Health}}
	return types.Ok[weir_plugin_events.Subscription, failure](wanted)
}

// Handle hands over events.
func Handle(batch []weir_plugin_events.Envelope) types.Result[types.Unit, failure] {
	defer runtime.Collect()
	for _, it := range batch {
		if err := caught(func() error { return policy.Dispatch(it.Event) }); err != nil {
			return types.Err[types.Unit](fatal(err))
		}
	}
	return types.Ok[types.Unit, failure](types.Unit{})
}

// caught makes an error of a panic, with the line where it was: the runtime's own way to end
// waits for a clock, and would be stopped for that before it says why.
func caught(call func() error) (err error) {
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
	frames := goruntime.CallersFrames(calls[:goruntime.Callers(0, calls[:])])
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

// The same call would end the same way.
func fatal(err error) failure { return failure{Message: err.Error(), Retryable: false} }
