package transfer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// fakeAWS is a small real implementation of the operations a transfer uses, on
// the wire, with faults on demand. It keeps blocks in memory.
type fakeAWS struct {
	mu     sync.Mutex
	snaps  map[string]*fakeSnap
	images []*fakeImage
	tokens map[string]string // client token → snapshot
	epoch  int               // block tokens of another one are refused
	puts   int
	gets   int

	// fault may answer a request in place of the service; it returns true when
	// it did. It is called without the lock.
	fault func(w http.ResponseWriter, r *http.Request) bool
}

type fakeSnap struct {
	id     string
	state  string
	gib    int64
	tags   map[string]string
	blocks map[int][]byte
}

type fakeImage struct {
	id, name, snap string
	gib            string
	tags           map[string]string
	form           map[string]string
}

func newFakeAWS() *fakeAWS {
	return &fakeAWS{snaps: map[string]*fakeSnap{}, tokens: map[string]string{}}
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.fault != nil && f.fault(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "":
		f.ec2(w, r, body)
	case r.Method == "POST" && len(parts) == 1:
		f.start(w, body)
	case r.Method == "POST" && parts[1] == "completion":
		f.complete(w, r, parts[2])
	case r.Method == "PUT":
		f.put(w, r, parts[1], parts[3], body)
	case len(parts) == 3:
		f.list(w, r, parts[1])
	default:
		f.get(w, r, parts[1], parts[3])
	}
}

func ebsError(w http.ResponseWriter, status int, code, msg string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"Message":%q}`, msg)
}

func (f *fakeAWS) start(w http.ResponseWriter, body []byte) {
	var in struct {
		VolumeSize  int64
		ClientToken string
		Tags        []struct{ Key, Value string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		ebsError(w, 400, "ValidationException", err.Error())
		return
	}
	id := f.tokens[in.ClientToken]
	if id == "" {
		id = fmt.Sprintf("snap-%017x", len(f.snaps)+1)
		s := &fakeSnap{id: id, state: "pending", gib: in.VolumeSize, tags: map[string]string{}, blocks: map[int][]byte{}}
		for _, t := range in.Tags {
			s.tags[t.Key] = t.Value
		}
		f.snaps[id], f.tokens[in.ClientToken] = s, id
	}
	w.WriteHeader(201)
	fmt.Fprintf(w, `{"SnapshotId":%q,"BlockSize":%d,"Status":"pending","VolumeSize":%d}`, id, BlockSize, in.VolumeSize)
}

func (f *fakeAWS) put(w http.ResponseWriter, r *http.Request, id, index string, body []byte) {
	s := f.snaps[id]
	i, _ := strconv.Atoi(index)
	sum := sha256.Sum256(body)
	switch {
	case s == nil:
		ebsError(w, 404, "ResourceNotFoundException", "no snapshot")
	case s.state != "pending":
		ebsError(w, 400, "ValidationException", "not pending")
	case len(body) != BlockSize, base64.StdEncoding.EncodeToString(sum[:]) != r.Header.Get("x-amz-Checksum"):
		ebsError(w, 400, "ValidationException", "checksum")
	default:
		s.blocks[i] = body
		f.puts++
		w.Header().Set("x-amz-Checksum", r.Header.Get("x-amz-Checksum"))
		w.Header().Set("x-amz-Checksum-Algorithm", "SHA256")
		w.WriteHeader(201)
	}
}

func (f *fakeAWS) complete(w http.ResponseWriter, r *http.Request, id string) {
	s := f.snaps[id]
	if s != nil {
		all := sha256.New()
		for _, i := range slices.Sorted(maps.Keys(s.blocks)) {
			sum := sha256.Sum256(s.blocks[i])
			all.Write(sum[:])
		}
		if base64.StdEncoding.EncodeToString(all.Sum(nil)) != r.Header.Get("x-amz-Checksum") || r.Header.Get("x-amz-Checksum-Aggregation-Method") != "LINEAR" {
			ebsError(w, 400, "ValidationException", "checksum")
			return
		}
	}
	if s == nil || strconv.Itoa(len(s.blocks)) != r.Header.Get("x-amz-ChangedBlocksCount") {
		ebsError(w, 400, "ValidationException", "count")
		return
	}
	s.state = "completed"
	w.WriteHeader(202)
	fmt.Fprint(w, `{"Status":"completed"}`)
}

func (f *fakeAWS) list(w http.ResponseWriter, r *http.Request, id string) {
	const page = 3 // small, so that tests page
	s := f.snaps[id]
	from, _ := strconv.Atoi(r.URL.Query().Get("startingBlockIndex"))
	if t := r.URL.Query().Get("pageToken"); t != "" {
		from, _ = strconv.Atoi(t)
	}
	out := map[string]any{"BlockSize": BlockSize, "VolumeSize": s.gib}
	blocks := []map[string]any{}
	for _, i := range slices.Sorted(maps.Keys(s.blocks)) {
		if i < from {
			continue
		}
		if len(blocks) == page {
			out["NextToken"] = strconv.Itoa(i)
			break
		}
		blocks = append(blocks, map[string]any{"BlockIndex": i, "BlockToken": fmt.Sprintf("%d-%d", f.epoch, i)})
	}
	out["Blocks"] = blocks
	json.NewEncoder(w).Encode(out)
}

func (f *fakeAWS) get(w http.ResponseWriter, r *http.Request, id, index string) {
	i, _ := strconv.Atoi(index)
	if r.URL.Query().Get("blockToken") != fmt.Sprintf("%d-%d", f.epoch, i) {
		ebsError(w, 400, "ValidationException", "token")
		return
	}
	b := f.snaps[id].blocks[i]
	f.gets++
	w.Header().Set("x-amz-Data-Length", strconv.Itoa(len(b)))
	w.Header().Set("x-amz-Checksum", checksum(b))
	w.Header().Set("x-amz-Checksum-Algorithm", "SHA256")
	w.Write(b)
}

func ec2Error(w http.ResponseWriter, code string) {
	w.WriteHeader(400)
	fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>said so</Message></Error></Errors><RequestID>r</RequestID></Response>`, code)
}

func (f *fakeAWS) ec2(w http.ResponseWriter, r *http.Request, body []byte) {
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	r.ParseForm()
	form := map[string]string{}
	for k := range r.PostForm {
		form[k] = r.PostForm.Get(k)
	}
	w.Header().Set("Content-Type", "text/xml")
	switch form["Action"] {
	case "DescribeSnapshots":
		s := f.snaps[form["SnapshotId.1"]]
		if s == nil {
			ec2Error(w, "InvalidSnapshot.NotFound")
			return
		}
		fmt.Fprintf(w, `<R><snapshotSet><item><snapshotId>%s</snapshotId><status>%s</status></item></snapshotSet></R>`, s.id, s.state)
	case "RegisterImage":
		if slices.ContainsFunc(f.images, func(i *fakeImage) bool { return i.name == form["Name"] }) {
			ec2Error(w, "InvalidAMIName.Duplicate")
			return
		}
		i := &fakeImage{id: fmt.Sprintf("ami-%017x", len(f.images)+1), name: form["Name"], form: form,
			snap: form["BlockDeviceMapping.1.Ebs.SnapshotId"], gib: form["BlockDeviceMapping.1.Ebs.VolumeSize"], tags: map[string]string{}}
		for n := 1; form[fmt.Sprintf("TagSpecification.1.Tag.%d.Key", n)] != ""; n++ {
			i.tags[form[fmt.Sprintf("TagSpecification.1.Tag.%d.Key", n)]] = form[fmt.Sprintf("TagSpecification.1.Tag.%d.Value", n)]
		}
		f.images = append(f.images, i)
		fmt.Fprintf(w, `<R><imageId>%s</imageId></R>`, i.id)
	case "DescribeImages":
		fmt.Fprint(w, `<R><imagesSet>`)
		for _, i := range f.images {
			if want := form["ImageId.1"]; want != "" && want != i.id || form["Filter.1.Name"] == "name" && form["Filter.1.Value.1"] != i.name {
				continue
			}
			fmt.Fprintf(w, `<item><imageId>%s</imageId><name>%s</name><imageState>available</imageState><rootDeviceName>/dev/sda1</rootDeviceName>`+
				`<blockDeviceMapping><item><deviceName>/dev/sda1</deviceName><ebs><snapshotId>%s</snapshotId><volumeSize>%s</volumeSize></ebs></item></blockDeviceMapping><tagSet>`, i.id, i.name, i.snap, i.gib)
			for k, v := range i.tags {
				fmt.Fprintf(w, `<item><key>%s</key><value>%s</value></item>`, k, v)
			}
			fmt.Fprint(w, `</tagSet></item>`)
		}
		fmt.Fprint(w, `</imagesSet></R>`)
	default:
		ec2Error(w, "InvalidAction")
	}
}
