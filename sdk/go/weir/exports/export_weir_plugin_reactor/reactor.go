// Package export_weir_plugin_reactor hands what the host calls to package policy.
package export_weir_plugin_reactor

import (
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
	if err := policy.Start(); err != nil {
		return types.Err[weir_plugin_events.Subscription](fatal(err))
	}
	wanted := weir_plugin_events.Subscription{Kinds: []weir_plugin_events.Kind{weir_plugin_events.Kind_Health}}
	return types.Ok[weir_plugin_events.Subscription, failure](wanted)
}

// Handle hands over events.
func Handle(batch []weir_plugin_events.Envelope) types.Result[types.Unit, failure] {
	defer runtime.Collect()
	for _, it := range batch {
		if err := policy.Dispatch(it.Event); err != nil {
			return types.Err[types.Unit](fatal(err))
		}
	}
	return types.Ok[types.Unit, failure](types.Unit{})
}

// The same call would end the same way.
func fatal(err error) failure { return failure{Message: err.Error(), Retryable: false} }
