package kafkalog

// An AlarmReason says why somebody has to look.
type AlarmReason string

// The reasons.
const (
	AlarmStopped   AlarmReason = "stopped"    // a partition stopped: its handler met a defect
	AlarmCorrupt   AlarmReason = "corrupt"    // a batch does not match its checksum; nothing of it was delivered
	AlarmGap       AlarmReason = "gap"        // records were gone before they were read
	AlarmWentBack  AlarmReason = "went-back"  // the partition is shorter than what was read of it
	AlarmStalled   AlarmReason = "stalled"    // no progress although there is work
	AlarmSlow      AlarmReason = "slow"       // one record has been under way for long
	AlarmDeadWrite AlarmReason = "dead-write" // a dead letter could not be written
)

// An Alarm is raised beside the log line and the counter. It names no person.
type Alarm struct {
	Reason    AlarmReason
	Group     string
	Topic     string
	Partition int
	Offset    int64
	Err       error // for the operator only
}
