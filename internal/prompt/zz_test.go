package prompt
import ("testing";"os";"path/filepath";"fmt")
func TestZZ(t *testing.T){
 fs,_:=filepath.Glob("/work/shared/chat-templates/templates/*.jinja")
 for _,f:=range fs{ b,_:=os.ReadFile(f); tm,err:=New(string(b),Options{BOS:"<s>",EOS:"</s>"}); if err!=nil{fmt.Println(f,err);continue}
 c:=tm.Caps(); x:=func(b bool,s string)string{if b{return s};return "-"}
 fmt.Printf("%-50.50s %s%s%s%s%s %s%s%s %s%s%s%s %s%s%s%s stable=%v %s shape=%+v\n",filepath.Base(f),x(c.Tools,"T"),x(c.ToolCalls,"C"),x(c.ParallelCalls,"P"),x(c.TextArguments,"t"),x(c.ToolRole,"R"),x(c.System,"S"),x(c.LaterSystem,"L"),x(c.Developer,"D"),x(c.Strings,"s"),x(c.Parts,"p"),x(c.Images,"I"),x(c.Audio,"A"),x(c.Reasoning,"r"),x(c.OpensReasoning,"O"),x(c.EnableThinking,"E"),x(c.ReasoningEffort,"F"),c.PrefixStable,c.PrefixBreak,tm.shape)
 }
}
