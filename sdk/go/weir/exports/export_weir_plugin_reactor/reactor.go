// Package export_weir_plugin_reactor is what the bindings call, for package policy to set.
package export_weir_plugin_reactor

import (
	"weir/imports/weir_plugin_events"
	"weir/imports/weir_plugin_failures"
	"weir/imports/weir_plugin_reactor"

	types "go.bytecodealliance.org/pkg/wit/types"
)

type failure = weir_plugin_failures.Failure

var (
	// Init starts the instance.
	Init func(weir_plugin_reactor.Context) types.Result[weir_plugin_events.Subscription, failure]
	// Handle hands over events.
	Handle func([]weir_plugin_events.Envelope) types.Result[types.Unit, failure]
)
