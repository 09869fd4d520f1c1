package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Transfers is where disks may come from and go to, as the operator decided.
type Transfers struct {
	Bucket bool   // an S3-compatible endpoint is configured
	Dir    string // the directory of file:// URLs; "" allows none
}

// checkSource completes and checks where a disk lies.
func (s *Service) checkSource(src *domain.DiskSource) error {
	switch {
	case src.Bucket != "" && src.URL != "":
		return fault.New(fault.BadCombination, "Url and UserBucket exclude each other.")
	case src.Bucket != "":
		return s.checkObject(src.Bucket, src.Key)
	case src.URL == "":
		return fault.New(fault.BadCombination, "The disk container has neither Url nor UserBucket.").WithCode("MissingParameter")
	}
	u, err := url.Parse(src.URL)
	switch {
	case err == nil && u.Scheme == "s3" && u.Host != "":
		src.Bucket, src.Key = u.Host, strings.TrimPrefix(u.Path, "/")
		return s.checkObject(src.Bucket, src.Key)
	case err == nil && u.Scheme == "file" && u.Host == "":
		src.Path, err = s.below(u.Path)
		return err
	}
	return fault.New(fault.BadValue, "The Url %.200q is neither s3://BUCKET/KEY nor file:///PATH.", src.URL).
		WithHint("Other addresses are never fetched: put the disk into a bucket, or push it with `slipway ami push`.")
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (s *Service) checkObject(bucket, key string) error {
	if !s.Config.Transfers.Bucket {
		return fault.New(fault.Unsupported, "This server reads and writes no buckets.").
			WithHint("The operator names an S3-compatible endpoint with --s3-endpoint; or push the disk with `slipway ami push`.")
	}
	if !bucketName.MatchString(bucket) {
		return fault.New(fault.BadValue, "The specified bucket name %.100q is not valid.", bucket)
	}
	if key == "" || len(key) > 1024 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }) ||
		slices.ContainsFunc(strings.Split(key, "/"), func(part string) bool { return part == "." || part == ".." }) {
		return fault.New(fault.BadValue, "The key %.200q is not valid.", key).WithHint("A key has 1 to 1024 bytes, no control characters and no parts . or ..")
	}
	return nil
}

// below reads the path of a file:// URL: inside the operator's directory,
// whether that is named in front or not.
func (s *Service) below(p string) (string, error) {
	dir := s.Config.Transfers.Dir
	if dir == "" {
		return "", fault.New(fault.Unsupported, "This server reads and writes no files of its machine.").
			WithHint("The operator allows a directory with --import-dir; or push the disk with `slipway ami push`.")
	}
	p = path.Clean("/" + p)
	if inside, ok := strings.CutPrefix(p, filepath.ToSlash(dir)+"/"); ok {
		p = "/" + inside
	}
	if p = strings.TrimPrefix(p, "/"); !filepath.IsLocal(filepath.FromSlash(p)) {
		return "", fault.New(fault.BadValue, "The Url names no file in the directory that is allowed.")
	}
	return p, nil
}

// ImportSpec is what ImportImage and ImportSnapshot ask for.
type ImportSpec struct {
	Kind   domain.Kind
	Task   domain.ImportTask
	DryRun bool
}

// ImportDisk starts a task. The same ClientToken gives the same task back.
func (s *Service) ImportDisk(ctx context.Context, c domain.Caller, spec ImportSpec) (*domain.ImportTask, error) {
	task := &spec.Task
	if err := s.checkSource(&task.Source); err != nil {
		return nil, err
	}
	for k, v := range task.Tags {
		if err := checkTag(k, v); err != nil {
			return nil, err
		}
	}
	task.Message, task.Request = "pending", requestSum(task)
	quota, id := domain.QuotaImportImages, s.IDs.ImportImageTask
	if spec.Kind == domain.KindImportSnapshot {
		quota, id = domain.QuotaImportSnaps, s.IDs.ImportSnapshotTask
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		old, err := startedBefore[domain.ImportTask](tx, c, spec.Kind, task.ClientToken, task.Request, func(t *domain.ImportTask) string { return t.Request })
		if err != nil || old != nil {
			task = old
			return err
		}
		if task.Source.Bucket != "" || task.RoleName != "" {
			if err := s.checkImportRole(tx, c, task.RoleName, "s3:GetObject", "arn:aws:s3:::"+task.Source.Bucket+"/"+task.Source.Key); err != nil {
				return err
			}
		}
		if err := s.importRoom(tx, c, spec.Kind, quota); err != nil {
			return err
		}
		if spec.DryRun {
			return errDryRun()
		}
		task.Key = c.Key(spec.Kind, id())
		if err := tx.Insert(task); err != nil {
			return err
		}
		return s.enqueue(tx, domain.FlowImportDisk, task.Key)
	})
	if err != nil {
		return nil, err
	}
	return task, nil
}

// importRoom counts what a task will make, too, so that it does not fail in the
// end for that.
func (s *Service) importRoom(tx store.Tx, c domain.Caller, k domain.Kind, quota string) error {
	if err := tasksRoom(tx, c, k, quota); err != nil {
		return err
	}
	if k == domain.KindImportImage {
		if err := roomFor(tx, c.Scope(), domain.KindAMI, domain.QuotaAMIs, "ResourceLimitExceeded"); err != nil {
			return err
		}
	}
	return roomFor(tx, c.Scope(), domain.KindSnapshot, domain.QuotaSnapshots, "SnapshotLimitExceeded")
}

func tasksRoom(tx store.Tx, c domain.Caller, k domain.Kind, quota string) error {
	n, err := tx.Count(store.Query{Kind: k, Account: c.Account, Region: c.Region, States: []domain.State{domain.TaskActive, domain.TaskDeleting}})
	if err != nil {
		return err
	}
	return room(tx, c.Scope(), quota, "ResourceCountLimitExceeded", n)
}

// requestSum stands for everything a request asked for.
func requestSum(n any) string {
	b, err := json.Marshal(n)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// startedBefore finds what an earlier request with the same token started.
func startedBefore[T any, P interface {
	*T
	domain.Noun
}](tx store.Tx, c domain.Caller, k domain.Kind, token, request string, asked func(P) string) (P, error) {
	if token == "" {
		return nil, nil
	}
	old, err := store.List[T, P](tx, store.Query{Kind: k, Account: c.Account, Region: c.Region, Alias: token})
	if err != nil || len(old) == 0 {
		return nil, err
	}
	if asked(old[0]) != request {
		return nil, fault.New(fault.BadCombination, "The client token %s was used with other parameters.", token).
			WithHint("Use a token of its own for each request.").WithCode("IdempotentParameterMismatch")
	}
	return old[0], nil
}

// Importing is a task with how far it is.
type Importing struct {
	*domain.ImportTask
	Progress string // a number; "" when it has ended
}

// ImportTasks lists the caller's tasks of a kind in order of id; with ids, a
// miss is fault.NotFound.
func (s *Service) ImportTasks(ctx context.Context, c domain.Caller, k domain.Kind, ids []string) ([]Importing, error) {
	var out []Importing
	err := s.Store.View(ctx, func(tx store.Tx) error {
		tasks, err := tasksOf[domain.ImportTask](tx, c, k, ids, "InvalidConversionTaskId")
		for _, t := range tasks {
			p, perr := taskProgress(tx, t.Key, t.State)
			if perr != nil {
				return perr
			}
			out = append(out, Importing{t, p})
		}
		return err
	})
	return out, err
}

func tasksOf[T any, P interface {
	*T
	domain.Noun
}](tx store.Tx, c domain.Caller, k domain.Kind, ids []string, miss string) ([]P, error) {
	q := store.Query{Kind: k, Account: c.Account, Region: c.Region, Names: ids}
	out, err := store.List[T, P](tx, q)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(out, func(n P) bool { return n.Head().Key.Name == id }) {
			return nil, fault.New(fault.NotFound, "The task ID '%s' does not exist.", id).WithCode(miss)
		}
	}
	return out, nil
}

// stepShare is at which percent each step of a task's workflow begins; the last
// step is a moment.
var stepShare = map[string][2]int{
	"fetch": {2, 30}, "check": {30, 35}, "write": {35, 85}, "seal": {85, 95}, "inspect": {95, 99}, "publish": {99, 100},
	"convert": {2, 70}, "deliver": {70, 99}, "complete": {99, 100},
}

// taskProgress is a percentage: the step's share, and in it how far the step is.
func taskProgress(tx store.Tx, key domain.Key, st domain.State) (string, error) {
	if st != domain.TaskActive && st != domain.TaskDeleting {
		return "", nil
	}
	jobs, err := tx.Jobs(store.JobQuery{Subject: &key, Limit: 1})
	if err != nil || len(jobs) == 0 {
		return "0", err
	}
	share := stepShare[jobs[0].StepName]
	at := share[0]
	if p := jobs[0].Progress; p.Total > 0 {
		at += int(float64(share[1]-share[0]) * min(1, float64(p.Done)/float64(p.Total)))
	}
	return strconv.Itoa(at), nil
}

// Canceled is what became of a request to cancel.
type Canceled struct{ Previous, Now domain.State }

// CancelImport cancels a task of either kind. A task that has ended stays as it
// is: completed ones are refused.
func (s *Service) CancelImport(ctx context.Context, c domain.Caller, id, why string, dryRun bool) (Canceled, error) {
	k := domain.KindImportImage
	if strings.HasPrefix(id, "import-snap-") {
		k = domain.KindImportSnapshot
	}
	return s.cancelTask(ctx, c.Key(k, id), new(domain.ImportTask), why, "InvalidConversionTaskId", dryRun)
}

func (s *Service) cancelTask(ctx context.Context, key domain.Key, n domain.Noun, why, miss string, dryRun bool) (out Canceled, err error) {
	if why == "" {
		why = "canceled by the user"
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Get(key, n); fault.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "The task ID '%s' does not exist.", key.Name).WithCode(miss)
		} else if err != nil {
			return err
		}
		out.Previous = n.Head().State
		if out.Previous == domain.TaskCompleted {
			return fault.New(fault.WrongState, "The task '%s' is completed.", key.Name).WithHint("Remove what it made instead.").WithCode("IncorrectState")
		}
		if dryRun {
			return errDryRun()
		}
		v, err := tx.Move(key, domain.TaskAskCancel, why, n)
		if err != nil {
			return err
		}
		if out.Now = n.Head().State; v == domain.Ignore {
			return nil
		}
		jobs, err := tx.Jobs(store.JobQuery{Subject: &key, Limit: 1})
		if err != nil || len(jobs) == 0 {
			return err
		}
		if err := store.CancelJob(tx, jobs[0].ID, why); err != nil && !fault.Is(err, fault.WrongState) {
			return err
		}
		return nil
	})
	return out, err
}
