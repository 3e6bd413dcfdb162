package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// Setting is a setting in force.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`  // of a secret "[secret]"
	Source string `json:"source"` // default, .env or environment
}

type settingsShape struct {
	Settings []Setting `json:"settings"`
}

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Print the settings in force",
		Long: `Config prints every setting as a program that is started here would take it, and where it comes from: the environment, the file
.env in the working directory, or the default. Secrets are not shown. Mistakes are told all at once, with exit code 2.`,
		Example: "  remora config\n  remora config -o json",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			if a.Settings == nil {
				return errNotPart
			}
			all, err := a.Settings()
			if err != nil {
				return err
			}
			return a.print(settingsShape{Settings: all}, func(w io.Writer) {
				row(w, "NAME", "VALUE", "SOURCE")
				for _, s := range all {
					row(w, s.Name, s.Value, s.Source)
				}
			})
		},
	}
}
