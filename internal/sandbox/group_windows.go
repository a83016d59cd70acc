package sandbox

import (
	"os/exec"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/toolserve/toolserve/internal/sandbox/orphan"
)

// group is a job object that ends all its processes when its handle is closed, which the system does
// for a process that dies.
type group struct {
	job windows.Handle
}

// start runs cmd and puts it into the job right after.
func (g *group) start(cmd *exec.Cmd) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return err
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil {
		windows.CloseHandle(job)
		return err
	}
	if err := cmd.Start(); err != nil {
		windows.CloseHandle(job)
		return err
	}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(cmd.Process.Pid))
	if err == nil {
		err = windows.AssignProcessToJobObject(job, process)
		windows.CloseHandle(process)
	}
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		windows.CloseHandle(job)
		return err
	}
	g.job = job
	return nil
}

// reap waits for the child's end and ends what is left of the job.
func (g *group) reap(cmd *exec.Cmd, _ *orphan.Guard) error {
	err := cmd.Wait()
	windows.TerminateJobObject(g.job, 1)
	windows.CloseHandle(g.job)
	return err
}

// terminate ends the job: Windows has no request to terminate for a process without a window.
func (g *group) terminate(int) { windows.TerminateJobObject(g.job, 1) }
func (g *group) kill(int)      { windows.TerminateJobObject(g.job, 1) }

// bounded reports whether all processes end with those of the group.
func (*group) bounded() bool { return true }
