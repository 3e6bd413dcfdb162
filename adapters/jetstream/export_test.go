package jetstream

// AckWait is the server's patience with a silent client.
const AckWait = ackWait
