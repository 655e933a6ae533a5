// Package filedrop asks a register by files: a query is written into one folder, the
// reply is waited for in another, on this machine or over SFTP.
//
// It owns the names and the order of steps that keep a file from being read by
// halves, taken twice or lost; the SFTP connection; and what of a failing server
// becomes which failure. It does not read replies: who asked says whether one was
// good (Reply.Accept, Reply.Reject). Before it: connectors/register. After it: a
// directory that another house reads and writes too, and may fill with anything.
//
// The folders of a drop:
//
//	out/         queries, for the register to take away
//	in/          replies, from the register
//	asked/       one small file for each query that waits: since when
//	claimed/     replies that an instance of the gateway has taken and is reading
//	done/        replies that were read, where they are kept
//	quarantine/  replies that could not be used, each with a .reason
//
// A file is made under a hidden name, synced, and renamed; it is taken by renaming
// it, which only one can do. Names hold the name of the query, which names nobody.
package filedrop
