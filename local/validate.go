package local

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// validateCall checks what can be checked of a call without knowing anything
// of the framework (Mesos: scheduler::call::validate); "" if nothing is wrong.
// principal is who authenticated; "" if nobody had to.
func validateCall(c *scheduler.Call, principal string) string {
	if c.Type == scheduler.Call_UNKNOWN {
		return "Expecting 'type' to be present"
	}
	if c.Type == scheduler.Call_SUBSCRIBE {
		return validateSubscribe(c, principal)
	}
	if c.FrameworkID == nil {
		return "Expecting 'framework_id' to be present"
	}
	if !hasMember(c) {
		return fmt.Sprintf("Expecting '%s' to be present", strings.ToLower(c.Type.String()))
	}
	switch c.Type {
	case scheduler.Call_ACKNOWLEDGE:
		if !validUUID(c.Acknowledge.UUID) {
			return "Expecting 'uuid' to be a valid UUID"
		}
	case scheduler.Call_UPDATE_FRAMEWORK:
		if c.UpdateFramework.FrameworkInfo.GetID().GetValue() != c.FrameworkID.Value {
			return "'framework_id' differs from 'update_framework.framework_info.id'"
		}
	}
	return ""
}

func validateSubscribe(c *scheduler.Call, principal string) string {
	if c.Subscribe == nil {
		return "Expecting 'subscribe' to be present"
	}
	if c.Subscribe.FrameworkInfo.GetID().GetValue() != c.FrameworkID.GetValue() {
		return "'framework_id' differs from 'subscribe.framework_info.id'"
	}
	return validatePrincipal(c.Subscribe.FrameworkInfo, principal)
}

// validatePrincipal lets an authenticated framework call itself only what it
// is. One that names nobody gets the name it authenticated with.
func validatePrincipal(info *mesos.FrameworkInfo, principal string) string {
	if principal == "" {
		return ""
	}
	if info.Principal != nil && *info.Principal != principal {
		return fmt.Sprintf("Authenticated principal '%s' does not match principal '%s' set in `FrameworkInfo`", principal, *info.Principal)
	}
	info.Principal = &principal
	return ""
}

// hasMember tells whether a call has the member of its type. The calls that
// need none are not asked.
func hasMember(c *scheduler.Call) bool {
	switch c.Type {
	case scheduler.Call_ACCEPT:
		return c.Accept != nil
	case scheduler.Call_DECLINE:
		return c.Decline != nil
	case scheduler.Call_ACCEPT_INVERSE_OFFERS:
		return c.AcceptInverseOffers != nil
	case scheduler.Call_DECLINE_INVERSE_OFFERS:
		return c.DeclineInverseOffers != nil
	case scheduler.Call_KILL:
		return c.Kill != nil
	case scheduler.Call_SHUTDOWN:
		return c.Shutdown != nil
	case scheduler.Call_ACKNOWLEDGE:
		return c.Acknowledge != nil
	case scheduler.Call_ACKNOWLEDGE_OPERATION_STATUS:
		return c.AcknowledgeOperationStatus != nil
	case scheduler.Call_RECONCILE:
		return c.Reconcile != nil
	case scheduler.Call_RECONCILE_OPERATIONS:
		return c.ReconcileOperations != nil
	case scheduler.Call_MESSAGE:
		return c.Message != nil
	case scheduler.Call_REQUEST:
		return c.Request != nil
	case scheduler.Call_UPDATE_FRAMEWORK:
		return c.UpdateFramework != nil
	}
	return true
}

// validUUID tells whether these are the 16 bytes of a UUID of a known version.
func validUUID(b []byte) bool {
	return len(b) == 16 && b[6]>>4 >= 1 && b[6]>>4 <= 5
}

// validateFramework checks a framework's description (Mesos:
// framework::validate); "" if nothing is wrong.
func validateFramework(info *mesos.FrameworkInfo) string {
	if text := validateRoles(info); text != "" {
		return text
	}
	if info.GetID().GetValue() != "" {
		if text := validateID(info.ID.Value); text != "" {
			return text
		}
	}
	if text := validateOfferFilters(info); text != "" {
		return text
	}
	if t := info.GetFailoverTimeout(); math.IsNaN(t) || math.Abs(t) >= time.Duration(math.MaxInt64).Seconds() {
		return fmt.Sprintf("The framework failover_timeout (%v) is invalid", t)
	}
	return ""
}

// validateSuppressed checks the roles that want no offers.
func validateSuppressed(info *mesos.FrameworkInfo, suppressed []string) string {
	if len(suppressed) > maxRoles {
		return fmt.Sprintf("There are more than %d suppressed roles", maxRoles)
	}
	var strange []string
	mine := rolesOf(info)
	for _, role := range suppressed {
		if !slices.Contains(mine, role) {
			strange = append(strange, role)
		}
	}
	if len(strange) > 0 {
		return "Suppressed roles " + braced(strange) + " are not contained in the set of roles"
	}
	return ""
}

// How many roles a framework may be in, and how long the name of one may be, in
// bytes: every allocation goes through all of them and their parts. Mesos has
// no such bounds.
const (
	maxRoles = 1000
	maxRole  = 1000
)

// braced writes a set as Mesos does.
func braced(list []string) string { return "{ " + strings.Join(list, ", ") + " }" }

func validateRoles(info *mesos.FrameworkInfo) string {
	multi := capabilitiesOf(info).multiRole
	switch {
	case multi && info.Role != nil:
		return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
	case !multi && len(info.Roles) > 0:
		return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
	case len(info.Roles) > maxRoles:
		return fmt.Sprintf("'FrameworkInfo.roles' contains more than %d roles", maxRoles)
	}
	seen, twice := map[string]bool{}, []string(nil)
	for _, role := range info.Roles {
		if seen[role] && !slices.Contains(twice, role) {
			twice = append(twice, role)
		}
		seen[role] = true
	}
	if len(twice) > 0 {
		return "'FrameworkInfo.roles' contains duplicate items: " + braced(twice)
	}
	what := "'FrameworkInfo.role' is not a valid role: "
	if multi {
		what = "'FrameworkInfo.roles' contains invalid role: "
	}
	for _, role := range rolesOf(info) {
		if text := validateRole(role); text != "" {
			return what + text
		}
	}
	return ""
}

// validateRole checks a role's name (Mesos: src/common/roles.cpp).
func validateRole(role string) string {
	if role == "*" {
		return ""
	}
	switch {
	case len(role) > maxRole:
		return fmt.Sprintf("Role '%s' is longer than %d bytes", shorten(role), maxRole)
	case strings.HasPrefix(role, "/"):
		return "Role '" + role + "' cannot start with a slash"
	case strings.HasSuffix(role, "/"):
		return "Role '" + role + "' cannot end with a slash"
	case strings.Contains(role, "//"):
		return "Role '" + role + "' cannot contain two adjacent slashes"
	case role == "":
		return "Role names cannot be the empty string"
	}
	for _, part := range strings.Split(role, "/") {
		switch {
		case part == "." || part == ".." || part == "*":
			return fmt.Sprintf("Role '%s' cannot include '%s' as a component", role, part)
		case strings.HasPrefix(part, "-"):
			return fmt.Sprintf("Role component '%s' is invalid because it starts with a dash", part)
		case strings.ContainsAny(part, "\x09\x0a\x0b\x0c\x0d\x20\x7f"):
			return fmt.Sprintf("Role component '%s' is invalid because it contains backspace or whitespace", part)
		}
	}
	return ""
}

// validateID checks an identifier, which becomes the name of a directory
// (Mesos: src/common/validation.cpp); "" if nothing is wrong.
func validateID(id string) string {
	switch {
	case id == "":
		return "ID must not be empty"
	case len(id) > 255:
		return "ID must not be greater than 255 characters"
	case id == "." || id == "..":
		return fmt.Sprintf("'%s' is disallowed", id)
	}
	for _, c := range []byte(id) {
		if c < 0x20 || c == 0x7f || c == '/' || c == '\\' {
			return fmt.Sprintf("'%s' contains invalid characters", id)
		}
	}
	return ""
}
