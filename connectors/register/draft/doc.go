// Package draft writes the first version of a register's folder: a register.yaml that
// works, with comments, and samples about an invented person, so that a register owner
// begins with something that is proved and changes it piece by piece.
//
// It owns the words of that first version. It decides nothing about a register: every
// address, name and rule in it is to be replaced. It writes no file.
//
// Before it: `oncegate connector new`. After it: connectors/register, which reads the
// folder and makes the goldens of the samples.
package draft
