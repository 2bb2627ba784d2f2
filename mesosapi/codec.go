package mesosapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/wire"
)

// codec is one of the two encodings of the wire. decode leaves nothing of its
// bytes in the event.
type codec struct {
	mediaType string
	encode    func(*scheduler.Call) ([]byte, error)
	decode    func([]byte, *scheduler.Event) error
}

var (
	protobufCodec = codec{"application/x-protobuf", (*scheduler.Call).Marshal, decodeProtobuf}
	jsonCodec     = codec{"application/json", func(c *scheduler.Call) ([]byte, error) { return json.Marshal(c) }, decodeJSON}
)

// event decodes one frame. It gives nil without an error for an event of a type
// that mesos-go does not know: a newer master may send such.
func (c codec) event(frame []byte) (*scheduler.Event, error) {
	event := new(scheduler.Event)
	if err := c.decode(frame, event); err != nil {
		if errors.Is(err, errUnknownType) {
			return nil, nil
		}
		return nil, fmt.Errorf("decode event: %w", err)
	}
	if _, known := scheduler.Event_Type_name[int32(event.Type)]; !known || event.Type == scheduler.Event_UNKNOWN {
		return nil, nil
	}
	if !whole(event) {
		return nil, fmt.Errorf("decode event: %s without its content", event.Type)
	}
	return event, nil
}

// whole tells whether the event has the member that its type promises.
func whole(e *scheduler.Event) bool {
	switch e.Type {
	case scheduler.Event_SUBSCRIBED:
		return e.Subscribed != nil && e.Subscribed.FrameworkID.GetValue() != ""
	case scheduler.Event_OFFERS:
		return e.Offers != nil
	case scheduler.Event_INVERSE_OFFERS:
		return e.InverseOffers != nil
	case scheduler.Event_RESCIND:
		return e.Rescind != nil
	case scheduler.Event_RESCIND_INVERSE_OFFER:
		return e.RescindInverseOffer != nil
	case scheduler.Event_UPDATE:
		return e.Update != nil
	case scheduler.Event_UPDATE_OPERATION_STATUS:
		return e.UpdateOperationStatus != nil
	case scheduler.Event_MESSAGE:
		return e.Message != nil
	case scheduler.Event_FAILURE:
		return e.Failure != nil
	case scheduler.Event_ERROR:
		return e.Error != nil
	}
	return true
}

func decodeProtobuf(frame []byte, event *scheduler.Event) error {
	return wire.Unmarshal(frame, event)
}

var errUnknownType = errors.New("event type unknown")

// unknownName is what gogo/protobuf says of an enum's name that it does not know.
var unknownName = regexp.MustCompile(`unrecognized enum (\w+) value ("(?:[^"\\]|\\.)*")`)

// optionalNames are the enums that a master newer than mesos-go may say more
// of, and the field that holds them. To Mesos an unknown name in an optional
// field is an unset field (3rdparty/stout/include/stout/protobuf.hpp); to
// mesos-go it is an error, and every master since 1.11 has such: the capability
// QUOTA_V2 in SUBSCRIBED.
var optionalNames = map[string]string{
	"MasterInfo_Capability_Type":    "type",
	"AgentInfo_Capability_Type":     "type",
	"FrameworkInfo_Capability_Type": "type",
	"TaskStatus_Reason":             "reason",
	"TaskStatus_Source":             "source",
}

// decodeJSON reads an event. Where the name of an optional enum is unknown it
// drops the field and tries again, a few times over.
func decodeJSON(frame []byte, event *scheduler.Event) error {
	err := json.Unmarshal(frame, event)
	for range 8 {
		if err == nil {
			return nil
		}
		found := unknownName.FindStringSubmatch(err.Error())
		if found == nil {
			return err
		}
		if found[1] == "Event_Type" {
			return errUnknownType
		}
		field, isOptional := optionalNames[found[1]]
		name, quoted := strconv.Unquote(found[2])
		if !isOptional || quoted != nil {
			return err
		}
		if frame, quoted = without(frame, field, name); quoted != nil {
			return err
		}
		event.Reset()
		err = json.Unmarshal(frame, event)
	}
	return err
}

// without takes every member field with the value name out of a JSON text.
func without(text []byte, field, name string) ([]byte, error) {
	var doc any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	prune(doc, field, name)
	return json.Marshal(doc)
}

func prune(doc any, field, name string) {
	switch doc := doc.(type) {
	case map[string]any:
		if doc[field] == name {
			delete(doc, field)
		}
		for _, v := range doc {
			prune(v, field, name)
		}
	case []any:
		for _, v := range doc {
			prune(v, field, name)
		}
	}
}
