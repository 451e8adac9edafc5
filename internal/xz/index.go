package xz

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// ReadIndex reads an index behind its first byte, a zero, and calls each for every
// block that it lists: its length without padding, and how much it holds.
func ReadIndex(r io.ByteReader, each func(unpadded, size uint64) error) error {
	sum := crc32.NewIEEE()
	n := int64(0)
	byteOf := func() (byte, error) {
		b, err := r.ReadByte()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			sum.Write([]byte{b})
			n++
		}
		return b, err
	}
	number := func() (uint64, error) {
		var v uint64
		for shift := 0; ; shift += 7 {
			b, err := byteOf()
			if err != nil {
				return 0, err
			}
			v |= uint64(b&0x7f) << shift
			switch {
			case b < 0x80 && (b != 0 || shift == 0):
				return v, nil
			case b == 0 || shift == 56:
				return 0, errors.New("the index holds a number that is none")
			}
		}
	}
	sum.Write([]byte{0})
	n++
	count, err := number()
	if err != nil {
		return err
	}
	for ; count > 0; count-- {
		unpadded, err := number()
		if err != nil {
			return err
		}
		size, err := number()
		if err != nil {
			return err
		}
		if unpadded < 5 {
			return errors.New("the index lists a block that cannot be")
		}
		if err := each(unpadded, size); err != nil {
			return err
		}
	}
	for n%4 != 0 {
		if b, err := byteOf(); err != nil {
			return err
		} else if b != 0 {
			return errors.New("the padding of the index is not zero")
		}
	}
	want := sum.Sum32()
	var b [4]byte
	for i := range b {
		if b[i], err = byteOf(); err != nil {
			return err
		}
	}
	if binary.LittleEndian.Uint32(b[:]) != want {
		return errors.New("the checksum of the index is wrong")
	}
	return nil
}
