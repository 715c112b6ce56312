package private

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/hashd-project/hashd/v2/internal/filelock"
)

// What an access list must not allow others: with a file, and with the folder that it is in.
const (
	anyUse windows.ACCESS_MASK = windows.FILE_READ_DATA | windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.DELETE |
		windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_ALL | windows.GENERIC_READ | windows.GENERIC_WRITE
	replacing windows.ACCESS_MASK = fileDeleteChild | windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_ALL

	fileDeleteChild = 0x40
	isDeny          = 1<<windows.ACCESS_DENIED_ACE_TYPE | 1<<accessDeniedObject | 1<<accessDeniedCallback | 1<<accessDeniedCallbackObject

	accessDeniedObject         = 6
	accessDeniedCallback       = 10
	accessDeniedCallbackObject = 12
)

const wanted = windows.OWNER_SECURITY_INFORMATION | windows.DACL_SECURITY_INFORMATION

func howToRead() string { return "of this process: let it read the file (icacls FILE /grant USER:R)" }

// trusted returns who may be on an access list: the user of this process, the system and the administrators.
func trusted() ([]*windows.SID, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	all := []*windows.SID{user.User.Sid}
	for _, known := range []windows.WELL_KNOWN_SID_TYPE{windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid} {
		sid, err := windows.CreateWellKnownSid(known)
		if err != nil {
			return nil, err
		}
		all = append(all, sid)
	}
	return all, nil
}

// check looks at the access list of the open file.
func check(f *os.File, path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() { // as a pipe, which only this process has
		return nil
	}
	list, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, wanted)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return judge(path, list, anyUse)
}

func checkFolder(dir string) error {
	list, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, wanted)
	if err != nil {
		return fmt.Errorf("folder %s: %w", dir, err)
	}
	return judge("folder "+dir, list, replacing)
}

// judge looks who owns it, and who else may do what is forbidden.
func judge(path string, list *windows.SECURITY_DESCRIPTOR, forbidden windows.ACCESS_MASK) error {
	allowed, err := trusted()
	if err != nil {
		return err
	}
	const way = `take it from all but yourself: icacls "%s" /inheritance:r /grant:r "%%USERNAME%%:F"`
	owner, _, err := list.Owner()
	if err != nil {
		return err
	}
	if !isOneOf(owner, allowed) {
		return &ExposedError{path, "belongs to " + nameOf(owner), "take it over, as the user who runs this (takeown)"}
	}
	entries, _, err := list.DACL()
	if err != nil || entries == nil {
		return &ExposedError{path, "is open to everyone", fmt.Sprintf(way, path)}
	}
	for i := range uint32(entries.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(entries, i, &entry); err != nil {
			return err
		}
		if isDeny>>entry.Header.AceType&1 == 1 || entry.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 || entry.Mask&forbidden == 0 {
			continue
		}
		who := "others" // where the entry is of a kind that has its owner elsewhere
		if entry.Header.AceType == windows.ACCESS_ALLOWED_ACE_TYPE {
			sid := (*windows.SID)(unsafe.Pointer(&entry.SidStart)) //nolint:gosec // Windows lays it out there
			if isOneOf(sid, allowed) {
				continue
			}
			who = nameOf(sid)
		}
		return &ExposedError{path, "is open to " + who, fmt.Sprintf(way, path)}
	}
	return nil
}

func isOneOf(sid *windows.SID, all []*windows.SID) bool {
	return slices.ContainsFunc(all, sid.Equals)
}

// nameOf returns a name that people know, or the number of one that has none.
func nameOf(sid *windows.SID) string {
	account, domain, _, err := sid.LookupAccount("")
	if err != nil {
		return sid.String()
	}
	if domain == "" {
		return account
	}
	return domain + `\` + account
}

// create makes a new file that only this user, the system and the administrators can read.
func create(path string) (*os.File, error) {
	allowed, err := trusted()
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	text.WriteString("D:P")
	for _, sid := range allowed {
		text.WriteString("(A;;FA;;;" + sid.String() + ")")
	}
	list, err := windows.SecurityDescriptorFromString(text.String())
	if err != nil {
		return nil, err
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE|windows.WRITE_DAC, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE,
		&windows.SecurityAttributes{Length: uint32(unsafe.Sizeof(windows.SecurityAttributes{})), SecurityDescriptor: list},
		windows.CREATE_NEW, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// keepOwner gives the new file the access list of the one that it is to replace.
func keepOwner(f *os.File, target string, _ fs.FileInfo) error {
	list, err := windows.GetNamedSecurityInfo(target, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	return windows.SetKernelObjectSecurity(windows.Handle(f.Fd()), windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, list)
}

// lockFolder waits until no other process holds the folder. As Windows locks no folders, a file in it stands for it.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".hashd-lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the folder of a file that the operator names
	if err != nil {
		return nil, err
	}
	if err := filelock.Wait(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// syncFolder has nothing to do: Windows keeps a journal of names.
func syncFolder(*os.File) error { return nil }
