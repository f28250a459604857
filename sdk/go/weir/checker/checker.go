// Package checker is checkers in Go: a server comes in, what one check found of it goes out.
//
// A checker is a main package that sets OnCheck, in an init of its own. Everything else the
// world has is in weir/imports.
package checker

import (
	"encoding/json"
	"errors"
	"strings"

	_ "weir/exports/checker"

	"weir/exports/export_weir_plugin_checking"
	"weir/imports/weir_host_probe"
	"weir/imports/weir_plugin_checking"
	"weir/internal/failure"
)

// Target is what is to be checked: the server's address, the settings of the plugin and the
// check, JSON text of an object, and the time that the check may take, in milliseconds.
type Target = weir_plugin_checking.Target

// Outcome is what one check found.
type Outcome = weir_plugin_checking.Outcome

// OnCheck checks once, in a fresh instance each time. Where it returns an Error, as all that
// asks the server does, the server could not be reached; where it fails otherwise or panics,
// the check cannot tell, and counts as nothing.
var OnCheck = func(Target) (Outcome, error) {
	return Outcome{}, errors.New("the plugin does not set checker.OnCheck")
}

// Settings reads the target's settings into the struct that into points to, which knows every one
// of them. What does not fit is an Error: it counts as nothing, and the operator reads it.
func Settings(target Target, into any) error {
	decoder := json.NewDecoder(strings.NewReader(target.Settings))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return Error{Why: weir_host_probe.MakeErrorInvalid("config: " + err.Error())}
	}
	return nil
}

// Pass says that the server does what it should.
func Pass() Outcome { return weir_plugin_checking.MakeOutcomePass() }

// Degraded says that it does, and should get this percentage of its weight, 1 to 99.
func Degraded(percent uint32, reason string) Outcome {
	degradation := weir_plugin_checking.Degradation{Percent: percent, Reason: reason}
	return weir_plugin_checking.MakeOutcomeDegraded(degradation)
}

// Fail says that it does not.
func Fail(why string) Outcome { return weir_plugin_checking.MakeOutcomeFail(why) }

func init() {
	export_weir_plugin_checking.Check = check
}

func check(target Target) Outcome {
	var outcome Outcome
	err := failure.Caught(func() (err error) {
		outcome, err = OnCheck(target)
		return err
	})
	var unreached Error
	switch {
	case err == nil:
		return outcome
	case errors.As(err, &unreached):
		return weir_plugin_checking.MakeOutcomeUnreached(unreached.Why)
	default:
		return weir_plugin_checking.MakeOutcomeInconclusive(err.Error())
	}
}
