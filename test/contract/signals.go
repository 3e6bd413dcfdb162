package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/ports"
)

// Signals runs the contract of ports.Signals. open opens two handles of one exchange, as two processes hold them; they may
// be the same. It is called from many tests at once.
func Signals(t *testing.T, open func(t *testing.T) (here, there ports.Signals)) {
	for name, clause := range map[string]func(t *testing.T, here, there ports.Signals){
		"SubscriberHears":            signalsHeard,
		"SubscriberHearsItself":      signalsOwn,
		"EverySubscriberHears":       signalsAll,
		"OtherTopicsStaySilent":      signalsOtherTopics,
		"ManyMayBecomeOne":           signalsCoalesce,
		"CanceledSubscriberIsSilent": signalsCanceled,
		"PublishNeverBlocks":         signalsNeverBlock,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := open(t)
			clause(t, here, there)
		})
	}
}

func requireSignal(t *testing.T, signals <-chan struct{}) {
	t.Helper()
	select {
	case <-signals:
	case <-time.After(10 * time.Second):
		require.Fail(t, "no signal came")
	}
}

// quiet waits until a subscription that was just made has nothing more to say by itself: a whole round trip of another
// topic, from there to here, brings no signal any more.
func quiet(t *testing.T, here, there ports.Signals, signals <-chan struct{}) {
	t.Helper()
	round, cancel := here.Subscribe("contract.round")
	defer cancel()
	for silent := 0; silent < 3; {
		there.Publish("contract.round")
		requireSignal(t, round)
		select {
		case <-signals:
			silent = 0
		default:
			silent++
		}
	}
}

func signalsHeard(t *testing.T, here, there ports.Signals) {
	signals, cancel := here.Subscribe(ports.TopicDispatch)
	defer cancel()
	there.Publish(ports.TopicDispatch) // at once: Subscribe has returned, so this one counts
	requireSignal(t, signals)
	quiet(t, here, there, signals)
	for range 20 {
		there.Publish(ports.TopicDispatch)
		requireSignal(t, signals)
	}
	require.Equal(t, 1, cap(signals))
}

func signalsOwn(t *testing.T, here, there ports.Signals) {
	signals, cancel := here.Subscribe("own")
	defer cancel()
	quiet(t, here, there, signals)
	here.Publish("own")
	requireSignal(t, signals)
}

func signalsAll(t *testing.T, here, there ports.Signals) {
	first, cancelFirst := here.Subscribe("all")
	second, cancelSecond := here.Subscribe("all")
	third, cancelThird := there.Subscribe("all")
	defer cancelSecond()
	defer cancelThird()
	for _, s := range []<-chan struct{}{first, second, third} {
		quiet(t, here, there, s)
		quiet(t, there, here, s)
	}
	there.Publish("all")
	requireSignal(t, first)
	requireSignal(t, second)
	requireSignal(t, third)
	cancelFirst()
	there.Publish("all")
	requireSignal(t, second)
	requireSignal(t, third)
}

func signalsOtherTopics(t *testing.T, here, there ports.Signals) {
	signals, cancel := here.Subscribe(ports.TopicJob("1"))
	defer cancel()
	quiet(t, here, there, signals)
	there.Publish(ports.TopicJob("2"))
	there.Publish(ports.TopicWorker("1"))
	quiet(t, here, there, make(chan struct{}))
	require.Empty(t, signals, "a signal of another topic came")
}

func signalsCoalesce(t *testing.T, here, there ports.Signals) {
	signals, cancel := here.Subscribe("many")
	defer cancel()
	for range 1000 {
		there.Publish("many")
	}
	quiet(t, here, there, signals)
	there.Publish("many")
	requireSignal(t, signals)
}

func signalsCanceled(t *testing.T, here, there ports.Signals) {
	signals, cancel := here.Subscribe("gone")
	quiet(t, here, there, signals)
	cancel()
	cancel() // twice is fine
	there.Publish("gone")
	quiet(t, here, there, make(chan struct{}))
	select {
	case <-signals:
		require.Fail(t, "a canceled subscription heard a signal, or its channel was closed")
	default:
	}
	again, cancelAgain := here.Subscribe("gone")
	defer cancelAgain()
	there.Publish("gone")
	requireSignal(t, again)
}

func signalsNeverBlock(t *testing.T, here, there ports.Signals) {
	signals, cancel := here.Subscribe("flood")
	defer cancel()
	done := make(chan struct{})
	go func() { // nobody listens meanwhile
		defer close(done)
		for range 20_000 {
			there.Publish("flood")
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		require.Fail(t, "Publish blocks while nobody listens")
	}
	requireSignal(t, signals)
}
