package client

import "time"

// SetPauses shortens the times of following, so that a test need not wait for them.
func (c *Client) SetPauses(first, longest, silence, giveUp time.Duration) {
	c.conn.pauses = pauses{first: first, longest: longest, silence: silence, giveUp: giveUp}
}
