// Package wire holds the only JSON shapes of the REST API, and how they become domain words and back. The server and the
// client both speak it, so the two ends cannot drift apart. It knows nothing of HTTP but the table of statuses.
//
// Requests are read by Decode, which forgives nothing; answers are read with encoding/json, so that an older client
// understands a newer server. Output is bytes: where it is not valid UTF-8, the text beside it has U+FFFD for what
// cannot be shown and a base64 field carries it exactly.
package wire
