package task

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// The types of a container: who runs it on the agent.
const (
	MesosContainer  = "mesos"  // Mesos' own containerizer; the default
	DockerContainer = "docker" // the Docker daemon
)

const (
	allowedContainer = "a map with image"
	allowedImage     = "the name of an image, such as alpine:3.20"
	allowedVolume    = "two absolute paths and perhaps ro or rw: /on/the/agent:/in/the/container:ro"
)

// imageName is what names of images consist of
// (github.com/distribution/reference), and those of other registries than
// Docker's.
var imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$`)

// container reads the image that a command runs in. After an error it gives
// what there is of it, or nil.
func (r *reader) container(n *yaml.Node) *Container {
	n = deref(n)
	found, ok := r.entries("container", n, allowedContainer)
	if !ok {
		return nil
	}
	entries := slices.Clone(found) // the walk below goes on to other maps
	c := &Container{Type: MesosContainer}
	for _, e := range entries {
		switch e.name {
		case "image":
			c.Image = r.image(e.value)
		case "type":
			const allowed = "mesos or docker"
			s, ok := r.scalar("container type", e.value, allowed)
			if ok && s != MesosContainer && s != DockerContainer {
				r.wrong(deref(e.value), "container type", allowed)
			}
			c.Type = r.keep(s)
		case "volumes":
			c.Volumes = r.volumes(e.value)
		default:
			r.unknown(e.key, []string{"image", "type", "volumes"})
		}
	}
	if !slices.ContainsFunc(entries, func(e pair) bool { return e.name == "image" }) {
		r.fail(n, "container: found no image, and every container needs one")
	}
	return c
}

func (r *reader) image(n *yaml.Node) string {
	s, ok := r.scalar("container image", n, allowedImage)
	if ok && (!imageName.MatchString(s) || len(s) > maxPath) {
		r.fail(deref(n), "container image: found %s, allowed is %s", quote(s, 200), allowedImage)
	}
	return r.keep(s)
}

func (r *reader) volumes(n *yaml.Node) []Volume {
	items, ok := r.items("container volumes", n, "a list of texts such as /on/the/agent:/in/the/container:ro")
	if !ok || len(items) == 0 {
		return nil
	}
	list := make([]Volume, 0, len(items))
	taken := make(map[string]bool, len(items))
	for _, item := range items {
		item = deref(item)
		s, ok := r.scalar("container volumes", item, allowedVolume)
		if !ok {
			continue
		}
		v, ok := parseVolume(s)
		switch {
		case !ok || len(s) > 2*maxPath:
			r.fail(item, "container volumes: found %s, allowed is %s", quote(s, 200), allowedVolume)
		case taken[v.Container]:
			r.fail(item, "container volumes: found %s a second time, allowed is once in a container", quote(v.Container, 200))
		}
		taken[v.Container] = ok
		list = append(list, v)
	}
	return list
}

func parseVolume(s string) (v Volume, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) == 3 {
		v.ReadOnly = parts[2] == "ro"
		if !v.ReadOnly && parts[2] != "rw" {
			return v, false
		}
		parts = parts[:2]
	}
	if len(parts) != 2 || !isAbsolute(parts[0]) || !isAbsolute(parts[1]) || path.Clean(parts[1]) == "/" {
		return v, false
	}
	v.Host, v.Container = path.Clean(parts[0]), path.Clean(parts[1])
	return v, true
}

// isAbsolute tells whether s is the path of something, from the root, without ..
func isAbsolute(s string) bool {
	return path.IsAbs(s) && !slices.Contains(strings.Split(s, "/"), "..")
}
