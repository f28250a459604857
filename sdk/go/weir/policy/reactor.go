package policy

import (
	"errors"
	"time"

	_ "weir/exports/policy"

	"weir/exports/export_weir_plugin_reactor"
	"weir/imports/weir_host_config"
	"weir/imports/weir_plugin_events"
	"weir/imports/weir_plugin_failures"
	"weir/imports/weir_plugin_health"
	"weir/imports/weir_plugin_reactor"
	"weir/internal/failure"

	runtime "go.bytecodealliance.org/pkg/wit/runtime"
	types "go.bytecodealliance.org/pkg/wit/types"
)

type failed = weir_plugin_failures.Failure

func init() {
	export_weir_plugin_reactor.Init = start
	export_weir_plugin_reactor.Handle = handle
}

func start(weir_plugin_reactor.Context) types.Result[weir_plugin_events.Subscription, failed] {
	if OnInit != nil {
		if err := failure.Caught(func() error { return OnInit(weir_host_config.Get()) }); err != nil {
			return types.Err[weir_plugin_events.Subscription](fatal(err))
		}
	}
	kinds := []weir_plugin_events.Kind{weir_plugin_events.Kind_Health}
	wanted := weir_plugin_events.Subscription{Kinds: kinds}
	if OnTime != nil {
		wanted.Kinds = append(kinds, weir_plugin_events.Kind_Stats)
		wanted.StatsEvery = types.Some(uint64(Every.Milliseconds()))
	}
	return types.Ok[weir_plugin_events.Subscription, failed](wanted)
}

func handle(batch []weir_plugin_events.Envelope) types.Result[types.Unit, failed] {
	defer runtime.Collect()
	for _, it := range batch {
		if err := failure.Caught(func() error { return dispatch(it.Event) }); err != nil {
			return types.Err[types.Unit](fatal(err))
		}
	}
	return types.Ok[types.Unit, failed](types.Unit{})
}

// The same call would end the same way, but where others have to be answered first.
func fatal(err error) failed {
	return failed{Message: err.Error(), Retryable: errors.Is(err, ErrBusy)}
}

func dispatch(event weir_plugin_events.Event) error {
	switch event.Tag() {
	case weir_plugin_events.Event_Started, weir_plugin_events.Event_Overflow:
		if OnStart != nil {
			return OnStart()
		}
		return tellOfAll()
	case weir_plugin_events.Event_Health:
		if OnHealth != nil {
			return OnHealth(event.Health())
		}
	case weir_plugin_events.Event_Stats:
		if OnTime != nil {
			return OnTime(time.Duration(event.Stats()) * time.Millisecond)
		}
	case weir_plugin_events.Event_Answered:
		if OnAnswer != nil {
			return answered(event.Answered())
		}
	case weir_plugin_events.Event_Stopping:
		if OnStop != nil {
			return OnStop()
		}
	}
	return nil
}

func answered(it weir_plugin_events.HttpAnswer) error {
	if it.Outcome.Tag() == types.ResultErr {
		return OnAnswer(it.Tag, Response{}, why(it.Outcome.Err()))
	}
	return OnAnswer(it.Tag, it.Outcome.Ok(), nil)
}

// tellOfAll calls OnHealth for every real server whose health is known.
func tellOfAll() error {
	if OnHealth == nil {
		return nil
	}
	var keys []Server
	_ = EachServer(func(key Server, _ RealServer) error {
		keys = append(keys, key)
		return nil
	})
	for _, it := range weir_plugin_health.Current(keys) {
		if it.Status == Unknown {
			continue
		}
		detail := "found so when the policy started"
		change := HealthChange{Server: it.Key, Detail: detail, Before: Unknown, After: it.Status}
		if err := OnHealth(change); err != nil {
			return err
		}
	}
	return nil
}
