// Package lcm submits data to the Evidence Broker and the Data Service Directory,
// and takes such submissions (TDD 3.1.5, 3.2.5, 3.6: lcm:SubmitObjectsRequest).
//
// It owns the wire form of submissions and of what is answered to them, the graph
// of objects and associations, whose data a submitter may state, and the two ways:
// AS4 with the service LifecycleManager, and plain HTTP for test beds. It does not
// own what the data means nor where it is kept (directory/service), nor transport
// and security of AS4 (edelivery). Before it: cmd, or edelivery; after it:
// directory/service, or edelivery.
package lcm
