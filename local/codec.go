package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
)

// codec is one of the two forms a message has on the wire.
type codec struct {
	contentType string
	protobuf    bool
}

// The two codecs. A request's content type must be byte-equal to one of them.
var (
	codecJSON     = &codec{contentType: "application/json"}
	codecProtobuf = &codec{contentType: "application/x-protobuf", protobuf: true}
)

// codecOf is the codec of a request's Content-Type; nil if it is another one.
func codecOf(contentType string) *codec {
	for _, c := range []*codec{codecJSON, codecProtobuf} {
		if contentType == c.contentType {
			return c
		}
	}
	return nil
}

// acceptedCodec is the codec of a response: JSON if the client takes it, else
// protobuf, else nil (Mesos: 3rdparty/libprocess/src/http.cpp).
func acceptedCodec(h http.Header) *codec {
	accept := h.Values("Accept")
	for _, c := range []*codec{codecJSON, codecProtobuf} {
		if len(accept) == 0 || accepts(strings.Join(accept, ","), c.contentType) {
			return c
		}
	}
	return nil
}

// accepts tells whether an Accept header allows a media type.
func accepts(header, mediaType string) bool {
	kind, _, _ := strings.Cut(mediaType, "/")
	for _, part := range strings.Split(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.TrimSpace(name)
		if !strings.EqualFold(name, mediaType) && !strings.EqualFold(name, kind+"/*") && name != "*/*" {
			continue
		}
		if !refused(params) {
			return true
		}
	}
	return false
}

// refused tells whether the parameters of a media range hold q=0.
func refused(params string) bool {
	for _, p := range strings.Split(params, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(key, "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err == nil && q == 0
		}
	}
	return false
}

// decode reads a message. What is required and missing is an error.
func (c *codec) decode(data []byte, into proto.Message) error {
	if c.protobuf {
		if err := checkDepth(data, reflect.TypeOf(into).Elem(), maxDepth); err != nil {
			return fmt.Errorf("parse protobuf: %w", err)
		}
		return proto.Unmarshal(data, into)
	}
	return decodeJSON(data, into)
}

// largeBody is the size from which a body is decoded alone. While a hostile body
// of JSON is decoded, it takes some 30 times its size.
const largeBody = 1 << 20

// largeBodies has room for one: for who decodes a large body, of all clusters of
// this process.
var largeBodies = make(chan struct{}, 1)

// errGivenUp says that a body had to wait, and its request ended meanwhile.
var errGivenUp = errors.New("the request ended before its turn came")

// decodeBody is decode for the body of a request. Large ones are decoded one
// after another; ctx is how long one waits for the others.
func (c *codec) decodeBody(ctx context.Context, body []byte, into proto.Message) error {
	if len(body) >= largeBody {
		select {
		case largeBodies <- struct{}{}:
			defer func() { <-largeBodies }()
		case <-ctx.Done():
			return errGivenUp
		}
	}
	return c.decode(body, into)
}

// event is a message that can go into a stream: a scheduler's or an
// executor's.
type event interface {
	Size() int
	MarshalTo([]byte) (int, error)
}

// frame writes an event as one RecordIO record: its length in bytes as
// decimal digits, a newline, and the event.
func (c *codec) frame(e event) ([]byte, error) {
	if !c.protobuf {
		body := appendJSON(make([]byte, 0, 512), e)
		frame := make([]byte, 0, len(body)+12)
		frame = append(strconv.AppendInt(frame, int64(len(body)), 10), '\n')
		return append(frame, body...), nil
	}
	size := e.Size()
	frame := make([]byte, 0, size+12)
	frame = append(strconv.AppendInt(frame, int64(size), 10), '\n')
	head := len(frame)
	frame = frame[:head+size]
	_, err := e.MarshalTo(frame[head:])
	return frame, err
}
