// Package rpmdb reads the databases in which rpm keeps what is installed: its
// three formats, without any of their libraries.
//
//	Packages         Berkeley DB, a hash table (rpm before 4.16)
//	Packages.db      ndb (SUSE)
//	rpmdb.sqlite     SQLite (rpm since 4.16), with its write-ahead log
//
// Each holds one header per package, as it was in the rpm file: an index of
// tags over a data area, big-endian.
//
//	il   dl   il x (tag type offset count)         dl bytes
//	+----+----+------+------+------+------+--------------------+
//	|  4 |  4 |  16  |  16  |  …   |      | data               |
//	+----+----+------+------+------+------+--------------------+
//
// Only the primary table is read, page by page; indexes, triggers, views and
// statements in the file are not looked at. Every walk over pages has a budget
// of the pages that the file has, so that a page which points at itself ends in
// an error that wraps block.ErrLoop.
//
// The sources are rpm's doc/manual/format and lib/backend, Berkeley DB's
// db_page.h, and SQLite's "Database File Format".
package rpmdb
