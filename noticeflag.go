package main

import "cmdq/task"

// maxNoticeFlags bounds how many are told of one end by flags.
const maxNoticeFlags = 10

// noticeFlag is --on-finish or --on-failure. What is given may be an address with
// a secret in it: pflag shows what a flag does not take, so that this one takes
// all, and check says what is wrong.
type noticeFlag struct {
	texts []string
	list  []task.Notice // made by check
}

// Set implements pflag.Value.
func (n *noticeFlag) Set(text string) error {
	n.texts = append(n.texts, text)
	return nil
}

// String implements pflag.Value.
func (n *noticeFlag) String() string { return "" }

// Type implements pflag.Value.
func (n *noticeFlag) Type() string { return "notice" }

func (n *noticeFlag) check(name string) error {
	if len(n.texts) > maxNoticeFlags {
		return usage("--%s: found %d, allowed are at most %d", name, len(n.texts), maxNoticeFlags)
	}
	n.list = nil
	for _, text := range n.texts {
		to, err := task.ParseNotice(text)
		if err != nil {
			return usage("--%s: %w", name, err)
		}
		n.list = append(n.list, to)
	}
	return nil
}
