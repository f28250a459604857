// Package export_weir_plugin_checking is what the bindings call, for package checker to set.
package export_weir_plugin_checking

import "weir/imports/weir_plugin_checking"

// Check checks one server.
var Check func(weir_plugin_checking.Target) weir_plugin_checking.Outcome
