// Package weigher is weighers in Go: what a service does comes in, scales of its weights go
// out.
//
// A weigher is a main package that sets OnWeigh, in an init of its own. Everything else the
// world has is in weir/imports.
package weigher

import (
	"errors"

	_ "weir/exports/weigher"

	"weir/exports/export_weir_plugin_weighing"
	"weir/imports/weir_plugin_health_words"
	"weir/imports/weir_plugin_weighing"
	"weir/internal/failure"

	types "go.bytecodealliance.org/pkg/wit/types"
)

// Service is one service, as it is now. Settings is JSON text of an object; At is in
// nanoseconds since the Unix epoch, UtcOffset in seconds, Period in milliseconds since the
// call before, 0 in the first; Memo is what that call answered. Of a label, F0 is the name and
// F1 the value.
type Service = weir_plugin_weighing.Input

// Candidate is one of its real servers; Unweighed is the weight that it would have without this
// plugin, Latency is in nanoseconds.
type Candidate = weir_plugin_weighing.Candidate

// Output is the answer. Scales has one for each candidate, in their order, in thousandths of
// its base weight, 1 or more; 1000 is no effect, and a number outside the grant's range is
// bounded by it. Memo, at most 64 KiB or 256 bytes for each candidate, is for the next call for
// this service.
type Output = weir_plugin_weighing.Output

// Health of a real server, after rise and fall counting by the host.
const (
	Unknown = weir_plugin_health_words.HealthStatus_Unknown
	Up      = weir_plugin_health_words.HealthStatus_Up
	Down    = weir_plugin_health_words.HealthStatus_Down
)

// OnWeigh weighs one service, in a fresh instance each time: what must outlive the call goes
// into the memo. Where it fails or panics, the scales before stay.
var OnWeigh = func(Service) (Output, error) {
	return Output{}, errors.New("the plugin does not set weigher.OnWeigh")
}

func init() {
	export_weir_plugin_weighing.Weigh = weigh
}

func weigh(service Service) types.Result[Output, string] {
	var output Output
	err := failure.Caught(func() (err error) {
		output, err = OnWeigh(service)
		return err
	})
	if err != nil {
		return types.Err[Output](err.Error())
	}
	return types.Ok[Output, string](output)
}
