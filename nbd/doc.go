// Package nbd speaks the Network Block Device protocol, on both sides and read only. A
// [Server] lends disks and volumes, so that what speaks NBD (qemu, nbdcopy, nbdfuse, the
// nbd driver of Linux, backup products) reads what this module reads. A [Client] reads
// an export of others (qemu-nbd, nbdkit and what it reaches) as a block.Device.
//
// Both speak the fixed newstyle of the protocol (doc/proto.md of the NBD project) with
// structured replies, block status by "base:allocation", several connections at once,
// and TLS; the server has extended headers and several exports besides. Writes are
// refused.
//
// Nothing that the other side says is trusted. Of a client, options, requests and how
// many of them are under way are bounded. Of a server, every length and place is held
// to what was asked for; a connection that breaks is made again with pauses, and what
// it shows then must be the same export: its size, its names and its first bytes.
package nbd

// Numbers of the protocol, by the names of its document.
const (
	magicNBD      = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption   = 0x49484156454F5054 // "IHAVEOPT"
	magicReply    = 0x0003e889045565a9
	magicRequest  = 0x25609513
	magicExtended = 0x21e41c71 // an extended request
	magicSimple   = 0x67446698
	magicChunk    = 0x668e33ef
	magicExtChunk = 0x6e8a278c

	flagFixedNewstyle = 1 << 0
	flagNoZeroes      = 1 << 1

	optExportName      = 1
	optAbort           = 2
	optList            = 3
	optStartTLS        = 5
	optInfo            = 6
	optGo              = 7
	optStructuredReply = 8
	optListMeta        = 9
	optSetMeta         = 10
	optExtendedHeaders = 11

	repAck         = 1
	repServer      = 2
	repInfo        = 3
	repMeta        = 4
	repErrUnsup    = 1<<31 | 1
	repErrPolicy   = 1<<31 | 2
	repErrInvalid  = 1<<31 | 3
	repErrTLSReqd  = 1<<31 | 5
	repErrUnknown  = 1<<31 | 6
	repErrTooBig   = 1<<31 | 9
	infoExport     = 0
	infoName       = 1
	infoDesc       = 2
	infoBlockSize  = 3
	metaAllocation = "base:allocation"
	metaID         = 1

	transHasFlags  = 1 << 0
	transReadOnly  = 1 << 1
	transFlush     = 1 << 2
	transDF        = 1 << 7
	transMultiConn = 1 << 8
	transCache     = 1 << 10

	cmdRead        = 0
	cmdWrite       = 1
	cmdDisconnect  = 2
	cmdFlush       = 3
	cmdCache       = 5
	cmdBlockStatus = 7
	cmdFlagDF      = 1 << 2
	cmdFlagReqOne  = 1 << 3

	chunkDone      = 1 << 0
	chunkNone      = 0
	chunkData      = 1
	chunkHole      = 2
	chunkStatus    = 5
	chunkStatusExt = 6
	chunkError     = 1<<15 | 1

	stateHole = 1 << 0
	stateZero = 1 << 1

	errPerm     = 1
	errIO       = 5
	errInvalid  = 22
	errOverflow = 75
)

const (
	maxOption   = 16 << 10 // bytes of one option
	maxOptions  = 256      // of one connection
	maxRead     = 32 << 20 // bytes of one request
	maxInFlight = 16       // requests of one connection
	maxExtents  = 4096     // of one answer to a block status
	maxMemory   = 64 << 20 // of the reads of all connections
)
