package modelstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/modelstore/host"
)

// spare is left free on the disk, so that a download does not fill it to the last byte.
const spare = 64 << 20

// A download is one file on its way into the cache. The caller holds the lock of its directory.
type download struct {
	store  *Store
	url    *url.URL
	name   string // for messages
	size   int64
	sha256 string
	dst    string
	report func(phase Phase, done int64)

	file *os.File
	hash hash.Hash
	have int64 // bytes in file, all of them in hash
}

// partial is where the bytes wait until they are all there. It is named after the content, so that what
// is left of one version is never continued with another.
func (d *download) partial() string {
	return fmt.Sprintf("%s.%s.partial", d.dst, d.sha256[:16])
}

// run fetches the file, continuing what an earlier run left, and puts it in place once its hash is right.
func (d *download) run(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(d.dst), 0o700); err != nil {
		return unusable(filepath.Dir(d.dst), err)
	}
	var err error
	if d.file, err = os.OpenFile(d.partial(), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return unusable(d.partial(), err)
	}
	defer d.leave()
	if err := d.adopt(ctx); err != nil {
		return err
	}
	if err := ensureSpace(filepath.Dir(d.dst), d.size-d.have); err != nil {
		return err
	}
	for again := false; ; again = true {
		resumed := d.have > 0
		err := d.store.retry(ctx, d.name, func() (bool, error) {
			before := d.have
			err := d.fetch(ctx)
			return d.have > before, err
		})
		if err != nil {
			return err
		}
		got := hex.EncodeToString(d.hash.Sum(nil))
		if got == d.sha256 {
			return d.finish()
		}
		d.store.log.Warn("a downloaded file has the wrong checksum", "file", d.name, "want", d.sha256, "got", got)
		if err := d.restart(); err != nil {
			return err
		}
		if !resumed || again { // a resumed file may carry old damage: it gets one fresh start
			return d.checksumError(got)
		}
	}
}

// leave closes the file, and removes it if nothing is in it. After success both are done already.
func (d *download) leave() {
	_ = d.file.Close() // bytes that did not arrive fail the hash of the next run
	if d.have == 0 {
		_ = os.Remove(d.partial())
	}
}

func (d *download) checksumError(got string) error {
	return &Error{
		What: d.name, Kind: ErrChecksum,
		Reason: fmt.Sprintf("the file from %s has the SHA-256 %s instead of %s", d.url.Host, got, d.sha256),
		Mend:   "try again; if it stays so, a proxy or mirror changes the file",
	}
}

// adopt hashes what an earlier run left.
func (d *download) adopt(ctx context.Context) error {
	info, err := d.file.Stat()
	if err != nil {
		return unusable(d.partial(), err)
	}
	d.hash = sha256.New()
	if info.Size() > d.size {
		return d.restart()
	}
	if info.Size() > 0 {
		d.report(PhaseVerify, 0)
	}
	d.have, err = host.CopyUntil(ctx, d.hash, d.file)
	if err != nil {
		return unusable(d.partial(), err)
	}
	return nil
}

func (d *download) restart() error {
	d.have = 0
	d.hash.Reset()
	if err := d.file.Truncate(0); err != nil {
		return unusable(d.partial(), err)
	}
	return nil
}

// fetch asks for the bytes that are missing, and takes as many as come.
func (d *download) fetch(ctx context.Context) error {
	if d.have == d.size {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := d.store.retries.stall
	watch := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer watch.Stop()

	header := http.Header{"Accept-Encoding": {"identity"}}
	if d.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
	}
	resp, err := d.store.get(ctx, d.url, header)
	if err != nil {
		return stalledOr(ctx, stall, err)
	}
	defer resp.Body.Close()
	if err := d.accept(resp); err != nil {
		return err
	}
	return stalledOr(ctx, stall, d.receive(ctx, resp.Body, func() { watch.Reset(stall) }))
}

var errStalled = errors.New("no data")

// stalledOr makes a stall, which cancels the request, a failure worth another try.
func stalledOr(ctx context.Context, stall time.Duration, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return &transferError{err: fmt.Errorf("no data came for %v", stall)}
	}
	return err
}

// accept checks that the answer continues where the file ends, or starts over.
func (d *download) accept(resp *http.Response) error {
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && d.have > 0 {
		if err := d.restart(); err != nil {
			return err
		}
		return &transferError{err: errors.New("the server does not continue the download")}
	}
	if err := checkStatus(resp, http.StatusOK, http.StatusPartialContent); err != nil {
		return err
	}
	start, total := int64(0), resp.ContentLength
	if resp.StatusCode == http.StatusPartialContent {
		start, total = contentRange(resp.Header.Get("Content-Range"))
	}
	if total >= 0 && total != d.size {
		return fmt.Errorf("%s offers %d bytes, the hub's listing says %d", resp.Request.URL.Host, total, d.size)
	}
	if start == d.have {
		return nil
	}
	if start != 0 {
		return &transferError{err: fmt.Errorf("the server continues at byte %d instead of %d", start, d.have)}
	}
	return d.restart()
}

// contentRange reads "bytes START-END/TOTAL"; unknown numbers are -1.
func contentRange(text string) (start, total int64) {
	span, size, _ := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		start = -1
	}
	if total, err = strconv.ParseInt(size, 10, 64); err != nil {
		total = -1
	}
	return start, total
}

// receive appends the body to the file up to the announced size; what comes after that is not read.
func (d *download) receive(ctx context.Context, body io.Reader, alive func()) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf[:min(int64(len(buf)), d.size-d.have)])
		if n > 0 {
			alive()
			if _, err := d.file.WriteAt(buf[:n], d.have); err != nil {
				return writeError(filepath.Dir(d.dst), d.size-d.have, err)
			}
			d.hash.Write(buf[:n])
			d.have += int64(n)
			d.report(PhaseDownload, d.have)
		}
		switch {
		case d.have == d.size:
			return nil
		case err == io.EOF:
			return &transferError{err: fmt.Errorf("the connection ended after %d of %d bytes", d.have, d.size)}
		case err != nil:
			return networkError(ctx, d.url.Host, err)
		}
	}
}

// finish gives the file its final name.
func (d *download) finish() error {
	err := d.file.Sync()
	if cerr := d.file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(d.partial(), d.dst)
	}
	if err != nil {
		return unusable(d.dst, err)
	}
	return nil
}

// ensureSpace checks that the disk has room for need more bytes.
func ensureSpace(dir string, need int64) error {
	free, err := host.FreeSpace(dir)
	if err != nil || need <= 0 || free >= uint64(need)+spare { // not knowing is no reason to refuse
		return nil
	}
	return &Error{
		What: dir, Kind: ErrDiskSpace,
		Reason: fmt.Sprintf("not enough disk space: %s are needed, %s are free", bytesText(need+spare), bytesText(int64(min(free, 1<<62)))),
		Mend:   "make room, or set TOOLSERVE_CACHE to a folder on another disk",
	}
}

func writeError(dir string, need int64, err error) error {
	if !host.IsDiskFull(err) {
		return unusable(dir, err)
	}
	return &Error{
		What: dir, Kind: ErrDiskSpace, Cause: err,
		Reason: fmt.Sprintf("the disk is full, %s are still to come", bytesText(need)),
		Mend:   "make room and try again (what is there is kept), or set TOOLSERVE_CACHE to a folder on another disk",
	}
}

func unusable(path string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var pe *os.PathError
	reason := err.Error()
	if errors.As(err, &pe) {
		reason = pe.Op + ": " + pe.Err.Error()
	}
	return &Error{What: path, Kind: ErrUnusable, Reason: reason, Mend: "TOOLSERVE_CACHE sets another cache folder", Cause: err}
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}
