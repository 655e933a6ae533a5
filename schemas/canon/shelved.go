package canon

import "time"

// A Shelved is a message that waits: until its receiver comes and fetches it, or until
// it is sent again. It is memory of an edge and crosses no log.
type Shelved struct {
	Message   Message
	Partition string    // whose shelf it lies on: the partition that one receiver reads
	From      time.Time // before which it is not handed out; only told to the shelf
	Attempts  int       // how often it may be handed out
	Expires   time.Time // when it is given up
	Taken     int       // how often it was handed out
	Kept      []byte    // what its receipt must match; nil until it was handed out
}
