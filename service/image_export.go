package service

import (
	"context"
	"regexp"
	"strings"
	"time"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// ExportSpec is what CreateExportImageTask asks for.
type ExportSpec struct {
	ImageName      string
	AMIName        string
	AMIDescription string
	RoleARN        string
	Tags           domain.Tags
}

// exportActions are what AWS's export uses the role for (API reference,
// CreateExportImageTask).
var exportActions = []string{"ec2:CopyImage", "ec2:DescribeImages", "ec2:CreateTags"}

// ExportImage starts a task that makes an AMI of an image. The image is looked
// up before the role, as the service does.
func (s *Service) ExportImage(ctx context.Context, c domain.Caller, spec ExportSpec) (*domain.Export, error) {
	hours := s.Config.ExportHours
	if hours == 0 {
		hours = 6
	}
	e := &domain.Export{ImageName: spec.ImageName, AMIName: spec.AMIName, AMIDescription: spec.AMIDescription, RoleARN: spec.RoleARN, Tags: spec.Tags}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		img := new(domain.Image)
		err := tx.Get(c.Key(domain.KindImage, spec.ImageName), img)
		if fault.Is(err, fault.NotFound) {
			return noImage(spec.ImageName, c)
		} else if err != nil {
			return err
		}
		if err := s.checkExport(tx, c, img, spec); err != nil {
			return err
		}
		e.Key = c.Key(domain.KindExport, s.IDs.UUID())
		e.ImageARN, e.Disk = domain.ImageARN(img.Key), img.Disk
		e.Deadline = tx.Now().Add(time.Duration(hours) * time.Hour)
		if err := tx.Insert(e); err != nil {
			return err
		}
		if err := tx.Refer(e.Key, domain.DiskKey(img.Disk)); err != nil {
			return err
		}
		return s.enqueue(tx, domain.FlowImageExport, e.Key)
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (s *Service) checkExport(tx store.Tx, c domain.Caller, img *domain.Image, spec ExportSpec) error {
	if img.State != domain.ImageAvailable {
		return fault.New(fault.NotAvailable, "The image %s is %s. The image must be in an AVAILABLE state for this action to succeed.", spec.ImageName, img.State)
	}
	if s.Config.Rules != rules.Open && img.Platform != "WINDOWS_SERVER_2022" && img.Platform != "WINDOWS_SERVER_2025" {
		return fault.New(fault.Unsupported, "Only images of Windows Server 2022 and 2025 can be exported; %s is %s.", spec.ImageName, or(img.Platform, "another system"))
	}
	if err := s.checkRole(tx, c, spec.RoleARN, exportActions); err != nil {
		return err
	}
	n, err := tx.Count(store.Query{Kind: domain.KindAMI, Account: c.Account, Region: c.Region, Alias: spec.AMIName})
	if err != nil {
		return err
	}
	if n > 0 {
		return fault.New(fault.WrongState, "The AMI name %s is already in use in account %s.", spec.AMIName, c.Account).WithHint("Choose another AmiName, or deregister that AMI.")
	}
	running, err := store.List[domain.Export](tx, store.Query{Kind: domain.KindExport, Account: c.Account, Region: c.Region, States: []domain.State{domain.ExportRunning}})
	if err != nil {
		return err
	}
	for _, r := range running {
		switch {
		case r.ImageName == spec.ImageName:
			return fault.New(fault.Busy, "The image %s is being exported by task %s.", spec.ImageName, r.Key.Name).WithHint("Wait until it has ended.")
		case r.AMIName == spec.AMIName:
			return fault.New(fault.WrongState, "The AMI name %s is taken by export task %s.", spec.AMIName, r.Key.Name)
		}
	}
	return nil
}

// Export finds one export task.
func (s *Service) Export(ctx context.Context, c domain.Caller, id string) (*domain.Export, error) {
	if id == "" {
		return nil, fault.New(fault.BadValue, "TaskId is required.").WithHint("ListExportImageTasks shows the tasks.")
	}
	e := new(domain.Export)
	err := s.Store.View(ctx, func(tx store.Tx) error { return tx.Get(c.Key(domain.KindExport, id), e) })
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "The export image task %s does not exist.", id)
	}
	return e, err
}

// ExportFilter keeps tasks one of whose values equals one of Values.
type ExportFilter struct {
	Name   string
	Values []string
}

// exportFields are the names a filter may have. AWS names task state and
// creation date as examples and publishes no list.
var exportFields = map[string]func(*domain.Export) string{
	"State":       func(e *domain.Export) string { return string(e.State) },
	"ImageArn":    func(e *domain.Export) string { return e.ImageARN },
	"ImageName":   func(e *domain.Export) string { return e.ImageName },
	"AmiName":     func(e *domain.Export) string { return e.AMIName },
	"AmiId":       func(e *domain.Export) string { return e.AMIID },
	"TaskId":      func(e *domain.Export) string { return e.Key.Name },
	"CreatedDate": func(e *domain.Export) string { return e.Created.Format(time.RFC3339) },
}

// Exports lists the tasks that every filter keeps, in order of id.
func (s *Service) Exports(ctx context.Context, c domain.Caller, filters []ExportFilter, after string, limit int) (out []*domain.Export, next string, err error) {
	for _, f := range filters {
		if exportFields[f.Name] == nil {
			return nil, "", fault.New(fault.BadValue, "The filter name %s is not valid.", f.Name).
				WithHint("Valid names: State, ImageArn, ImageName, AmiName, AmiId, TaskId, CreatedDate.")
		}
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		return tx.Query(store.Query{Kind: domain.KindExport, Account: c.Account, Region: c.Region, After: after}, func(r store.Row) (bool, error) {
			e := new(domain.Export)
			if err := r.Decode(e); err != nil {
				return false, err
			}
			if !matches(e, filters) {
				return true, nil
			}
			if len(out) == limit {
				next = out[limit-1].Key.Name
				return false, nil
			}
			out = append(out, e)
			return true, nil
		})
	})
	return out, next, err
}

func matches(e *domain.Export, filters []ExportFilter) bool {
	for _, f := range filters {
		have, ok := exportFields[f.Name](e), false
		for _, v := range f.Values {
			ok = ok || have == v || f.Name == "CreatedDate" && strings.HasPrefix(have, v)
		}
		if !ok {
			return false
		}
	}
	return true
}

var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}):role(/.*/|/)([^/]+)$`)
