package scheduler

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// container is the image that a command runs in, nil if in none.
func container(t *task.Task) *mesos.ContainerInfo {
	c := t.Spec.Asks().Container
	if c == nil {
		return nil
	}
	info := &mesos.ContainerInfo{}
	if byDocker(t) {
		info.Type, info.Docker = mesos.ContainerInfo_DOCKER.Enum(), docker(t, c.Image)
	} else {
		kind := mesos.Image_DOCKER
		info.Type = mesos.ContainerInfo_MESOS.Enum()
		info.Mesos = &mesos.ContainerInfo_MesosInfo{Image: &mesos.Image{Type: &kind, Docker: &mesos.Image_Docker{Name: c.Image}}}
	}
	for _, v := range c.Volumes {
		mode := mesos.RW
		if v.ReadOnly {
			mode = mesos.RO
		}
		info.Volumes = append(info.Volumes, mesos.Volume{Mode: &mode, ContainerPath: v.Container, HostPath: &v.Host})
	}
	return info
}

// byDocker tells whether the Docker daemon of the agent runs a task.
func byDocker(t *task.Task) bool {
	c := t.Spec.Asks().Container
	return c != nil && c.Type == task.DockerContainer
}

// docker is what the agent makes a `docker run` of (Mesos: src/docker/docker.cpp,
// RunOptions::create). It uses the network of its host, so that the ports of an offer
// are its own. A program takes the place of the image's entrypoint, as it does in a
// container of Mesos; value and arguments would only be added to that, and the name
// of the program come twice.
func docker(t *task.Task, image string) *mesos.ContainerInfo_DockerInfo {
	network := mesos.ContainerInfo_DockerInfo_HOST
	info := &mesos.ContainerInfo_DockerInfo{Image: image, Network: &network}
	if argv := t.Argv(); len(argv) > 0 {
		info.Parameters = []mesos.Parameter{{Key: "entrypoint", Value: argv[0]}}
	}
	return info
}
