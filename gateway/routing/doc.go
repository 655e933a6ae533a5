// Package routing owns who may ask whom for what, and through which door: the
// routes of this deployment, from its configuration.
//
// It does not own transport agreements (connectors/edelivery/pmode) nor the
// registers behind a route. Before it: the configuration. After it:
// gateway/exchange, which asks it once per exchange.
package routing
