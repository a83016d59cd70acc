package cli

import (
	"os"
	"os/signal"
	"syscall"
)

// onHangup calls reload for each SIGHUP, until the returned function is called. Where the signal says that the
// terminal is gone, which the program was started from, it calls gone instead: nobody is left to end it. A
// program that was started by nohup stays.
func onHangup(reload, gone func()) (stop func()) {
	stays := signal.Ignored(syscall.SIGHUP) || !hasTerminal()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range signals {
			if !stays && !hasTerminal() {
				gone()
				continue
			}
			reload()
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	}
}

// hasTerminal reports whether the program has a controlling terminal.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	_ = tty.Close()
	return true
}
