// Package preview owns the way of one person into the preview space: tickets
// good for one conversation and step, and the session behind them.
//
// It mints and checks the unpredictable part of a preview location and keeps no
// evidence. Before it: the core, which offers a preview. After it: gateway/web,
// which shows it.
package preview
