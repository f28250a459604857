// Package export_weir_plugin_guarding is what the bindings call, for package guard to set.
package export_weir_plugin_guarding

import "weir/imports/weir_plugin_guarding"

// Judge judges one change.
var Judge func(weir_plugin_guarding.Review) weir_plugin_guarding.Verdict
