package ansible

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// extensions are those of files with variables, in the order in which they are looked for.
var extensions = []string{"", ".yml", ".yaml", ".json"}

// beside finds the variables of hosts and groups in the folders beside an inventory.
type beside struct {
	files  fs.FS
	prefix string // what the names of files begin with for people
	tree   *tree
}

// has reports whether there is a folder of that name.
func (b *beside) has(folder string) bool {
	if b.files == nil {
		return false
	}
	info, err := fs.Stat(b.files, folder)
	return err == nil && info.IsDir()
}

// vars returns the variables that a folder has for a name: from the first of NAME (a file or a folder of files), NAME.yml,
// NAME.yaml and NAME.json.
func (b *beside) vars(folder, name string) (vars, error) {
	all := vars{}
	for _, ext := range extensions {
		file := folder + "/" + name + ext
		if strings.HasPrefix(name, "/") || !fs.ValidPath(file) {
			return all, nil
		}
		info, err := fs.Stat(b.files, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, inventory.Refuse(b.place(file), "%v", err)
		}
		if info.IsDir() {
			return all, b.folder(file, all, 0)
		}
		return all, b.file(file, all)
	}
	return all, nil
}

func (b *beside) place(file string) inventory.Place {
	return inventory.Place{File: path.Join(b.prefix, file)}
}

func (b *beside) file(file string, into vars) error {
	info, err := fs.Stat(b.files, file)
	if err == nil && info.Size() > inventory.MaxFileBytes {
		return inventory.Refuse(b.place(file), "the file is larger than %d MiB", inventory.MaxFileBytes>>20)
	}
	text, err := fs.ReadFile(b.files, file)
	if err != nil {
		return inventory.Refuse(b.place(file), "%v", err)
	}
	found, err := b.tree.readVars(b.place(file).File, text)
	for k, v := range found {
		into[k] = v
	}
	return err
}

func (b *beside) folder(name string, into vars, depth int) error {
	entries, err := fs.ReadDir(b.files, name)
	if err != nil {
		return inventory.Refuse(b.place(name), "%v", err)
	}
	for _, e := range entries { // sorted by name
		ext := path.Ext(e.Name())
		file := name + "/" + e.Name()
		if strings.HasPrefix(e.Name(), ".") || strings.HasSuffix(e.Name(), "~") {
			continue
		}
		info, err := fs.Stat(b.files, file) // through links, as Ansible does
		switch {
		case err != nil:
			return inventory.Refuse(b.place(file), "%v", err)
		case info.IsDir() && ext == "" && depth < maxNesting:
			err = b.folder(file, into, depth+1)
		case info.Mode().IsRegular() && slices.Contains(extensions, ext):
			err = b.file(file, into)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
