package service

import (
	"context"
	"path/filepath"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// ExportImageSpec is what EC2's ExportImage asks for.
type ExportImageSpec struct {
	Task   domain.ExportImageTask
	DryRun bool
}

// fileBucket as a bucket's name means the operator's directory.
const fileBucket = "file://"

// ExportImageFile starts a task that writes an AMI's disk into a bucket or the
// operator's directory. The same ClientToken gives the same task back.
func (s *Service) ExportImageFile(ctx context.Context, c domain.Caller, spec ExportImageSpec) (*domain.ExportImageTask, error) {
	task := &spec.Task
	for k, v := range task.Tags {
		if err := checkTag(k, v); err != nil {
			return nil, err
		}
	}
	task.Request, task.Message = requestSum(task), "pending"
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		old, err := startedBefore[domain.ExportImageTask](tx, c, domain.KindExportImage, task.ClientToken, task.Request, func(t *domain.ExportImageTask) string { return t.Request })
		if err != nil || old != nil {
			task = old
			return err
		}
		task.Key = c.Key(domain.KindExportImage, s.IDs.ExportImageTask())
		if err := s.checkTarget(task); err != nil {
			return err
		}
		if !task.Dir || task.RoleName != "" {
			if err := s.checkImportRole(tx, c, task.RoleName, "s3:PutObject", "arn:aws:s3:::"+task.Bucket+"/"+task.Object); err != nil {
				return err
			}
		}
		if task.Disk, err = diskOfAMI(tx, c, task.ImageID); err != nil {
			return err
		}
		if err := tasksRoom(tx, c, domain.KindExportImage, domain.QuotaExportImages); err != nil {
			return err
		}
		if spec.DryRun {
			return errDryRun()
		}
		if err := tx.Insert(task); err != nil {
			return err
		}
		if err := tx.Refer(task.Key, domain.DiskKey(task.Disk)); err != nil {
			return err
		}
		return s.enqueue(tx, domain.FlowExportImage, task.Key)
	})
	if err != nil {
		return nil, err
	}
	return task, nil
}

// checkTarget decides where the file goes: PREFIX and the task's id, as EC2
// names it.
func (s *Service) checkTarget(t *domain.ExportImageTask) error {
	t.Object = t.Prefix + t.Key.Name + "." + t.Format
	dir, isFile := strings.CutPrefix(t.Bucket, fileBucket)
	if !isFile {
		return s.checkObject(t.Bucket, t.Object)
	}
	at, err := s.below(strings.TrimSuffix(dir, "/") + "/" + t.Object)
	if err != nil {
		return err
	}
	if strings.Contains("/"+filepath.ToSlash(t.Prefix), "/../") {
		return fault.New(fault.BadValue, "The prefix %.200q leaves its directory.", t.Prefix)
	}
	t.Dir, t.Object = true, at
	return nil
}

// diskOfAMI finds the sealed disk that an AMI of the caller's boots from.
func diskOfAMI(tx store.Tx, c domain.Caller, id string) (string, error) {
	ami, err := visibleAMI(tx, c, id)
	if err != nil {
		return "", err
	}
	if ami.Key.Account != c.Account {
		return "", fault.New(fault.Denied, "The image %s belongs to another account.", id).WithHint("Copy it with CopyImage and export the copy.").WithCode("AuthFailure")
	}
	for _, m := range ami.Mappings {
		if m.Device != ami.RootDevice || m.SnapshotID == "" {
			continue
		}
		n := new(domain.Snapshot)
		if err := tx.Get(c.Key(domain.KindSnapshot, m.SnapshotID), n); err != nil {
			return "", err
		}
		if n.Disk == "" {
			break
		}
		return n.Disk, nil
	}
	return "", fault.New(fault.NotAvailable, "The image %s has no disk to export.", id)
}

// Exporting is a task with how far it is.
type Exporting struct {
	*domain.ExportImageTask
	Progress string
}

// ExportImageTasks lists the caller's tasks in order of id; with ids, a miss is
// fault.NotFound.
func (s *Service) ExportImageTasks(ctx context.Context, c domain.Caller, ids []string) ([]Exporting, error) {
	var out []Exporting
	err := s.Store.View(ctx, func(tx store.Tx) error {
		tasks, err := tasksOf[domain.ExportImageTask](tx, c, domain.KindExportImage, ids, "InvalidExportTaskID.NotFound")
		for _, t := range tasks {
			p, perr := taskProgress(tx, t.Key, t.State)
			if perr != nil {
				return perr
			}
			out = append(out, Exporting{t, p})
		}
		return err
	})
	return out, err
}

// CancelExportTask cancels a task.
func (s *Service) CancelExportTask(ctx context.Context, c domain.Caller, id string) error {
	_, err := s.cancelTask(ctx, c.Key(domain.KindExportImage, id), new(domain.ExportImageTask), "", "InvalidExportTaskID.NotFound", false)
	return err
}
