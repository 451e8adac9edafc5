package registry

import (
	"fmt"
	"strings"
)

// ControlSet returns the name of the control set that Windows would boot, as
// the key Select of the hive SYSTEM says: "ControlSet001". While Windows runs,
// CurrentControlSet is a link to it, which a hive has not.
func (h *Hive) ControlSet() (string, error) {
	k, err := h.Find("Select")
	if err != nil {
		return "", err
	}
	v, err := k.Value("Current")
	if err != nil {
		return "", err
	}
	n, err := v.Uint()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("ControlSet%03d", n), nil
}

// Resolve puts the control set that Windows would boot in the place of
// CurrentControlSet, if that is the first of the names of a key in the hive.
func (h *Hive) Resolve(names []string) ([]string, error) {
	if len(names) == 0 || !strings.EqualFold(names[0], "CurrentControlSet") {
		return names, nil
	}
	set, err := h.ControlSet()
	if err != nil {
		return nil, err
	}
	return append([]string{set}, names[1:]...), nil
}
